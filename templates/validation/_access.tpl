{{- define "dandelion.validation.access" -}}
{{- if and .Values.global.access.jwksUrl (not .Values.global.access.jwtAudience) -}}
global.access.jwksUrl is set: set global.access.jwtAudience, else the API would accept tokens for other programs
{{- end -}}
{{- end -}}
