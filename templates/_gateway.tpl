{{/* The Gateways that routes hang on, with the defaults that the API server would write. */}}
{{- define "dandelion.parentRefs" -}}
{{- $refs := .Values.gateway.parentRefs -}}
{{- if .Values.gateway.create -}}
{{- $refs = append $refs (dict "name" (include "dandelion.name" .)) -}}
{{- end -}}
{{- range $refs }}
- {{ merge (dict "group" "gateway.networking.k8s.io" "kind" "Gateway") . | toYaml | indent 2 | trim }}
{{- end }}
{{- end -}}

{{/*
Where requests for the API go. Each Service is named a step before it gets requests, and a step after: a gateway learns of
routes and of Services apart, and answers 503 while it knows the one without the other. (dict context port)
*/}}
{{- define "dandelion.apiBackends" -}}
{{- $api := printf "%s-api" (include "dandelion.name" .context) -}}
{{- $release := .context.Values.api.release -}}
{{- $isCanary := eq $release.strategy "canary" -}}
{{- $weight := int $release.canary.weight -}}
{{ include "dandelion.backend" (dict "service" $api "port" .port "weight" (ternary 0 1 $isCanary)) }}
{{- if ne $release.strategy "blue-green" }}
{{ include "dandelion.backend" (dict "service" (printf "%s-track-stable" $api) "port" .port "weight" (ternary (sub 100 $weight) 0 $isCanary)) }}
{{- end }}
{{- if $isCanary }}
{{ include "dandelion.backend" (dict "service" (printf "%s-track-canary" $api) "port" .port "weight" $weight) }}
{{- end }}
{{- end -}}

{{/* (dict service port weight) */}}
{{- define "dandelion.backend" -}}
- group: ""
  kind: Service
  name: {{ .service }}
  port: {{ .port }}
  weight: {{ .weight }}
{{- end -}}
