{{- define "dandelion.validation.backups" -}}
{{- with .Values.backups }}
{{- if and .enabled (not $.Values.mysql.enabled) (not .mirror.url) }}
backups.enabled is true and there is nothing to do: an external database needs a backup of its own, and backups.mirror.url names no second S3 server
{{- end }}
{{- if and .enabled .mirror.url (not .mirror.existingSecret) }}
backups.mirror.url is set: name the Secret with its keys in backups.mirror.existingSecret
{{- end }}
{{- if and .restore.enabled (not $.Values.mysql.enabled) }}
backups.restore supports only the bundled MySQL: restore an external database with its own tools
{{- end }}
{{- end }}
{{- end -}}
