{{/* A value generated once: what the Secret in the cluster holds, else fresh. (dict held key value) */}}
{{- define "dandelion.kept" -}}
{{- index .held .key | default (.value | b64enc) -}}
{{- end -}}
