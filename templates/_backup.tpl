{{/* A pod that dumps, copies or restores. (list context) */}}
{{- define "dandelion.backup.env" -}}
{{ include "dandelion.common.env" . }}
{{ include "dandelion.objects.env" (list . "backup") }}
{{- end -}}

{{/* mysqldump and mysql as the account `backup` or root, password from the environment. (list context account) */}}
{{- define "dandelion.backup.mysqlEnv" -}}
{{- $context := index . 0 -}}
- name: HOST
  value: {{ include "dandelion.name" $context }}-mysql
- name: MYSQL_PWD
  valueFrom: {{- include "dandelion.database.passwordRef" (list $context (index . 1)) | nindent 4 }}
{{- end -}}
