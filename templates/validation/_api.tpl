{{- define "dandelion.validation.api" -}}
{{- if .Values.api.enabled }}
{{- with .Values.api.autoscaling }}
{{- if and .keda.enabled (not .enabled) }}
api.autoscaling.keda.enabled is true and api.autoscaling.enabled false: set both to true, or neither
{{- end }}
{{- if and .keda.enabled .metrics }}
api.autoscaling.metrics has metrics, which only a HorizontalPodAutoscaler takes: write them as api.autoscaling.keda.triggers, or set api.autoscaling.keda.enabled=false
{{- end }}
{{- if and .keda.triggers (not .keda.enabled) }}
api.autoscaling.keda.triggers has triggers: set api.autoscaling.keda.enabled=true, or leave them out
{{- end }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
api.autoscaling.minReplicas is {{ int .minReplicas }} and maxReplicas {{ int .maxReplicas }}: set maxReplicas to {{ int .minReplicas }} or more
{{- end }}
{{- end }}
{{- range $name := list "DANDELION_API__HOST" "DANDELION_API__PORT" "DANDELION_API__MONITORING_PORT" }}
{{- if hasKey $.Values.api.settings $name }}
api.settings.{{ $name }} is set: remove it, since probes, Services, monitors and policies use port 8000 of all addresses of a pod
{{- end }}
{{- end }}
{{- range $name, $key := dict "HOST" "enabled" "PORT" "port" "MAX_MESSAGE_MB" "maxMessageMb" "REFLECTION" "reflection" "TLS_CERTIFICATE" "tls.secret" "TLS_KEY" "tls.secret" "TLS_CLIENT_CA" "tls.clientCaKey" }}
{{- if hasKey $.Values.api.settings (printf "DANDELION_GRPC__%s" $name) }}
api.settings.DANDELION_GRPC__{{ $name }} is set: set api.grpc.{{ $key }} instead, since Services, probes and policies follow it
{{- end }}
{{- end }}
{{- with .Values.api.grpc }}
{{- if and .enabled (eq (int .port) 8000) }}
api.grpc.port is 8000, the port of HTTP: set another one, such as 8001
{{- end }}
{{- if and .tls.secret (not .enabled) }}
api.grpc.tls.secret is {{ .tls.secret | quote }}: set api.grpc.enabled=true, or leave it empty; HTTP gets its TLS from an Ingress or a Gateway
{{- end }}
{{- if and .tls.clientCaKey (not .tls.secret) }}
api.grpc.tls.clientCaKey is {{ .tls.clientCaKey | quote }}: name the Secret with this key in api.grpc.tls.secret
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
