{{- define "dandelion.validation.ui" -}}
{{- if .Values.ui.enabled }}
{{- range $name := list "DANDELION_UI__HOST" "DANDELION_UI__PORT" }}
{{- if hasKey $.Values.ui.settings $name }}
ui.settings.{{ $name }} is set: remove it, since probes, the Service and policies use port 7860 of all addresses of a pod
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
