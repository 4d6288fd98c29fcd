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

{{/* (dict service port weight) */}}
{{- define "dandelion.backend" -}}
- group: ""
  kind: Service
  name: {{ .service }}
  port: {{ .port }}
  weight: {{ .weight }}
{{- end -}}
