{{/* Where the API is, and the way in. */}}

{{- define "dandelion.api.url" -}}
{{- printf "http://%s-api:8000" (include "dandelion.name" .) -}}
{{- end -}}

{{- define "dandelion.api.secret" -}}
{{- .Values.global.existingSecrets.api | default (printf "%s-api" (include "dandelion.name" .)) -}}
{{- end -}}

{{/* Programs of ours sign tokens for the API with the secret that they share with it, for the audience that it wants. */}}
{{- define "dandelion.access.env" -}}
{{- if .Values.global.access.enabled }}
- name: DANDELION_ACCESS__ENABLED
  value: "true"
- name: DANDELION_ACCESS__JWT_SECRETS
  valueFrom:
    secretKeyRef:
      name: {{ include "dandelion.api.secret" . }}
      key: jwt-secrets
{{- end }}
{{- with .Values.global.access.jwtAudience }}
- name: DANDELION_ACCESS__JWT_AUDIENCE
  value: {{ . | quote }}
{{- end }}
{{- with .Values.global.access.jwtIssuer }}
- name: DANDELION_ACCESS__JWT_ISSUER
  value: {{ . | quote }}
{{- end }}
{{- end -}}
