{{- define "dandelion.validation.backups" -}}
{{- with .Values.backups }}
{{- if and .enabled (not $.Values.mysql.enabled) (not .mirror.url) }}
backups.enabled is true and there is nothing to do: an external database needs a backup of its own, and backups.mirror.url names no second S3 server
{{- end }}
{{- if and .enabled .mirror.url (not .mirror.existingSecret) }}
backups.mirror.url is set: name the Secret with its keys in backups.mirror.existingSecret
{{- end }}
{{- with .restore }}
{{- if and .id (not $.Values.mysql.enabled) }}
backups.restore.id is {{ .id | quote }}, and the chart restores only the bundled MySQL: restore an external database with its own tools
{{- end }}
{{- if and .id (not (hasSuffix ".sql.gz" .dump)) }}
backups.restore.dump is {{ .dump | quote }}: set it to the exact name of one dump, such as mysql/2026-11-29T041500Z.sql.gz; `dandelion backup list` lists them
{{- end }}
{{- $confirmation := printf "replace mlops_db and mlflow for %s" .id }}
{{- if and .id (not .scratch) (ne .confirm $confirmation) }}
backups.restore.scratch is empty, so the restore would replace the live databases: set backups.restore.confirm to {{ $confirmation | quote }}, or scratch to a prefix
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
