{{/* The claim for a volume: its size and class, those of the release unless given. (dict context persistence) */}}
{{- define "dandelion.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .persistence.storageClass | default .context.Values.global.storageClass }}
storageClassName: {{ . | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .persistence.size }}
{{- end -}}
