{{- define "dandelion-mysql.name" -}}
{{ include "dandelion.name" . }}-mysql
{{- end -}}
