{{/* The environment of the API; a setting replaces what the chart says under the same name. (dict context track ref) */}}
{{- define "dandelion-api.env" -}}
{{ include "dandelion.parts.env" .context }}
{{ include "dandelion-api.model.env" .ref }}
- name: DANDELION_API__HOST
  value: {{ include "dandelion.listen" .context | quote }}
{{- with .context.Values.global.path }}
- name: DANDELION_API__ROOT_PATH
  value: {{ printf "%s/api" . }}
{{- end }}
- name: DANDELION_API__TRACK
  value: {{ .track }}
- name: DANDELION_API__DRAIN_SECONDS
  value: {{ .context.Values.drain.seconds | quote }}
- name: DANDELION_JOURNAL__MAX_BYTES
  value: {{ include "dandelion-api.spoolBytes" (dict "context" .context "percent" 50) | quote }}
- name: DANDELION_JOURNAL__MAX_PHOTO_BYTES
  value: {{ include "dandelion-api.spoolBytes" (dict "context" .context "percent" 25) | quote }}
- name: DANDELION_PREFECT__URL
  value: {{ include "dandelion.prefect.url" .context | quote }}
- name: DANDELION_PRIVACY__CLIENT_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "dandelion.api.secret" .context }}
      key: client-key
{{ include "dandelion-api.access.env" .context }}
{{- if .context.Values.grpc.enabled }}
{{ include "dandelion-api.grpc.env" .context }}
{{- end }}
{{- range $name, $value := .context.Values.settings }}
- name: {{ $name }}
  value: {{ include "dandelion.text" $value | quote }}
{{- end }}
{{- end -}}
