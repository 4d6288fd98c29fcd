{{/* Where models are registered, and our way in. */}}

{{- define "dandelion.mlflow.url" -}}
{{- .Values.global.externalMlflow.url | default (printf "http://%s-mlflow:5000" (include "dandelion.name" .)) -}}
{{- end -}}

{{- define "dandelion.mlflow.env" -}}
- name: DANDELION_REGISTRY__URI
  value: {{ include "dandelion.mlflow.url" . | quote }}
- name: DANDELION_MODEL__NAME
  value: {{ .Values.global.modelName | quote }}
{{- with .Values.global.externalMlflow.existingSecret }}
- name: MLFLOW_TRACKING_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: username
- name: MLFLOW_TRACKING_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: password
{{- end }}
{{- end -}}
