{{/* A pod that dumps, copies or restores. (dict context) */}}
{{- define "dandelion.backup.env" -}}
{{ include "dandelion.common.env" . }}
{{ include "dandelion.objects.env" (dict "context" . "account" "backup") }}
{{- end -}}

{{/* mysqldump and mysql as the account `backup` or root, password from the environment. (dict context account) */}}
{{- define "dandelion.backup.mysqlEnv" -}}
{{- $context := .context -}}
- name: HOST
  value: {{ include "dandelion.name" $context }}-mysql
- name: MYSQL_PWD
  valueFrom: {{- include "dandelion.database.passwordRef" (dict "context" $context "account" .account) | nindent 4 }}
{{- end -}}
