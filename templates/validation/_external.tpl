{{/* Each part that keeps state is the bundled one or an external one. */}}
{{- define "dandelion.validation.external" -}}
{{- $global := .Values.global -}}
{{- with $global.externalDatabase }}
{{- if and .host $.Values.mysql.enabled }}
global.externalDatabase.host is {{ .host | quote }}: set mysql.enabled=false, or leave the host out
{{- else if and (not .host) (not $.Values.mysql.enabled) }}
mysql.enabled is false: name a database in global.externalDatabase.host
{{- end }}
{{- if and .host (not .existingSecret) }}
global.externalDatabase.host is set: name the Secret with its passwords in global.externalDatabase.existingSecret
{{- end }}
{{- end }}
{{- with $global.externalS3 }}
{{- if and .url $.Values.minio.enabled }}
global.externalS3.url is {{ .url | quote }}: set minio.enabled=false, or leave the URL out
{{- else if and (not .url) (not $.Values.minio.enabled) }}
minio.enabled is false: name an S3 server in global.externalS3.url
{{- end }}
{{- if and .url (not .existingSecret) (not .workloadIdentity) }}
global.externalS3.url is set: name the Secret with its keys in global.externalS3.existingSecret, or set global.externalS3.workloadIdentity=true
{{- end }}
{{- if and .workloadIdentity .existingSecret }}
global.externalS3.workloadIdentity is true and existingSecret {{ .existingSecret | quote }}: leave one of them out, since credentials come either from the cloud or from a Secret
{{- end }}
{{- if and .workloadIdentity (not .url) }}
global.externalS3.workloadIdentity is true: name your S3 server in global.externalS3.url, since the bundled MinIO has keys of its own
{{- end }}
{{- end }}
{{- with $global.externalMlflow }}
{{- if and .url $.Values.mlflow.enabled }}
global.externalMlflow.url is {{ .url | quote }}: set mlflow.enabled=false, or leave the URL out
{{- else if and (not .url) (not $.Values.mlflow.enabled) }}
mlflow.enabled is false: name a tracking server in global.externalMlflow.url
{{- end }}
{{- end }}
{{- if .Values.prefect.enabled }}
{{- with $global.externalPrefect }}
{{- if and .url $.Values.prefect.server.enabled }}
global.externalPrefect.url is {{ .url | quote }}: set prefect.server.enabled=false, or leave the URL out
{{- else if and (not .url) (not $.Values.prefect.server.enabled) }}
prefect.server.enabled is false: name a Prefect server in global.externalPrefect.url, or set prefect.enabled=false
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
