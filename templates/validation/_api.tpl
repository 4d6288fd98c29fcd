{{- define "dandelion.validation.api" -}}
{{- if .Values.api.enabled }}
{{- with .Values.api.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
api.autoscaling.minReplicas is {{ int .minReplicas }} and maxReplicas {{ int .maxReplicas }}: set maxReplicas to {{ int .minReplicas }} or more
{{- end }}
{{- end }}
{{- range $name := list "DANDELION_API__HOST" "DANDELION_API__PORT" "DANDELION_API__MONITORING_PORT" }}
{{- if hasKey $.Values.api.settings $name }}
api.settings.{{ $name }} is set: remove it, since probes, Services, monitors and policies use port 8000 of all addresses of a pod
{{- end }}
{{- end }}
{{- if lt (include "dandelion.mebi" .Values.api.spool.size | int) 256 }}
api.spool.size is {{ .Values.api.spool.size }}: set it to 256Mi or more, for models and for waiting predictions and photos
{{- end }}
{{- with .Values.api.drain }}
{{- if le (int .graceSeconds) (add .preStopSeconds .seconds 5 | int) }}
api.drain.graceSeconds is {{ int .graceSeconds }}: set it to more than preStopSeconds + seconds + 5, or pods are killed during open requests
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
