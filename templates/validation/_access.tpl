{{/* What lets in requests from outside the cluster, as a JSON list of words. */}}
{{- define "dandelion.exposed" -}}
{{- $values := .Values -}}
{{- $ways := list -}}
{{- range $kind := list "ingress" "gateway" -}}
{{- $way := index $values $kind -}}
{{- if $way.enabled -}}
{{- range $host := list "apiHost" "uiHost" "previewHost" "grpcHost" -}}
{{- with index $way $host -}}{{- $ways = append $ways (printf "%s.%s=%s" $kind $host .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $part := list "api" "ui" -}}
{{- with index $values $part -}}
{{- if and .enabled (ne .service.type "ClusterIP") -}}{{- $ways = append $ways (printf "%s.service.type=%s" $part .service.type) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $ways -}}
{{- end -}}

{{- define "dandelion.validation.access" -}}
{{- $ways := include "dandelion.exposed" . | fromJsonArray }}
{{- if and $ways .Values.global.access.required (not .Values.global.access.enabled) }}
global.access.enabled is false while {{ join ", " $ways }}: set global.access.enabled=true, or global.access.required=false if everyone who can reach it may use it
{{ end }}
{{- if and .Values.global.access.jwksUrl (not .Values.global.access.jwtAudience) -}}
global.access.jwksUrl is set: set global.access.jwtAudience, else the API would accept tokens for other programs
{{- end -}}
{{- end -}}
