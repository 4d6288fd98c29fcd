{{/* Where the database is, and our way in. */}}

{{- define "dandelion.database.host" -}}
{{- .Values.global.externalDatabase.host | default (printf "%s-mysql" (include "dandelion.name" .)) -}}
{{- end -}}

{{- define "dandelion.database.port" -}}
{{- ternary .Values.global.externalDatabase.port 3306 (ne .Values.global.externalDatabase.host "") | int -}}
{{- end -}}

{{- define "dandelion.database.secret" -}}
{{- if .Values.global.externalDatabase.host -}}
{{- .Values.global.externalDatabase.existingSecret -}}
{{- else -}}
{{- .Values.global.existingSecrets.mysql | default (printf "%s-mysql" (include "dandelion.name" .)) -}}
{{- end -}}
{{- end -}}

{{/* Of one of our database accounts: dandelion or mlflow. (dict context account) */}}
{{- define "dandelion.database.passwordRef" -}}
secretKeyRef:
  name: {{ include "dandelion.database.secret" .context }}
  key: {{ .account }}-password
{{- end -}}

{{- define "dandelion.database.env" -}}
{{- $external := .Values.global.externalDatabase -}}
{{- $user := ternary $external.user "dandelion" (ne $external.host "") -}}
{{- $name := ternary $external.name "mlops_db" (ne $external.host "") -}}
- name: DANDELION_DATABASE__URL
  value: {{ printf "mysql://%s@%s:%s/%s" $user (include "dandelion.database.host" .) (include "dandelion.database.port" .) $name | quote }}
- name: DANDELION_DATABASE__PASSWORD
  valueFrom: {{- include "dandelion.database.passwordRef" (dict "context" . "account" "dandelion") | nindent 4 }}
- name: DANDELION_DATABASE__AUTO_UPGRADE
  value: "false"
{{- if and $external.host $external.tls.enabled }}
- name: DANDELION_DATABASE__TLS
  value: "true"
{{- if $external.tls.caSecret }}
- name: DANDELION_DATABASE__TLS_CA
  value: /etc/dandelion/database/ca.crt
{{- end }}
{{- else if and (not $external.host) .Values.global.mysqlTls.secret }}
- name: DANDELION_DATABASE__TLS
  value: "true"
- name: DANDELION_DATABASE__TLS_CA
  value: /etc/dandelion/database/ca.crt
{{- end }}
{{- end -}}

{{/* Whether connections to the database are encrypted. (empty means no) */}}
{{- define "dandelion.database.encrypted" -}}
{{- if .Values.global.externalDatabase.host -}}
{{- if .Values.global.externalDatabase.tls.enabled }}true{{ end -}}
{{- else if .Values.global.mysqlTls.secret -}}
true
{{- end -}}
{{- end -}}

{{/* The Secret with the certificate authority of the database, if there is one. */}}
{{- define "dandelion.database.caSecret" -}}
{{- if .Values.global.externalDatabase.host -}}
{{- if .Values.global.externalDatabase.tls.enabled }}{{ .Values.global.externalDatabase.tls.caSecret }}{{ end -}}
{{- else -}}
{{- .Values.global.mysqlTls.secret -}}
{{- end -}}
{{- end -}}
