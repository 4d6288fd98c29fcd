{{/* What would be generated at each render must be named. */}}
{{- define "dandelion.validation.gitops" -}}
{{- if .Values.global.gitops }}
{{- range $part, $title := dict "mysql" "the bundled MySQL" "minio" "the bundled MinIO" "api" "the API" }}
{{- if and (index $.Values $part).enabled (not (index $.Values.global.existingSecrets $part)) }}
global.gitops is true, so nothing is generated: name the Secret of {{ $title }} in global.existingSecrets.{{ $part }}
{{- end }}
{{- end }}
{{- $stack := include "dandelion.stack" . | fromJson }}
{{- if and $stack.enabled (dig "grafana" "enabled" true $stack) (not (dig "grafana" "admin" "existingSecret" "" $stack)) }}
global.gitops is true, and Grafana would get another password with each render, or one that stands in git: name a Secret with the keys admin-user and admin-password in kube-prometheus-stack.grafana.admin.existingSecret
{{- end }}
{{- end }}
{{- end -}}
