{{/* Nobody to the cluster: a pod that needs a token asks for it. (dict context component) */}}
{{- define "dandelion.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "dandelion.name" .context }}-{{ .component }}
  labels: {{- include "dandelion.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end -}}
