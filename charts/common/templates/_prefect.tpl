{{/* Where flows are started, and our way in. */}}

{{- define "dandelion.prefect.url" -}}
{{- .Values.global.externalPrefect.url | default (printf "http://%s-prefect-server:4200/api" (include "dandelion.name" .)) -}}
{{- end -}}

{{/* For Prefect's own programs. */}}
{{- define "dandelion.prefect.env" -}}
- name: PREFECT_API_URL
  value: {{ include "dandelion.prefect.url" . | quote }}
- name: PREFECT_HOME
  value: /data/prefect
- name: PREFECT_SERVER_ANALYTICS_ENABLED
  value: "false"
{{- with .Values.global.externalPrefect.existingSecret }}
- name: PREFECT_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: api-key
{{- end }}
{{- end -}}
