{{- define "dandelion-ui.name" -}}
{{ include "dandelion.name" . }}-ui
{{- end -}}
