{{/*
What the values say of a component's ServiceAccount, as JSON: those of its part, which the umbrella chart holds below the
part's name. (dict context component)
*/}}
{{- define "dandelion.serviceAccount.values" -}}
{{- $path := index (dict "prefect-server" (list "prefect" "server") "prefect-worker" (list "prefect" "worker") "flow-run" (list "prefect" "flowRun") "backup" (list "backups")) .component | default (list .component) -}}
{{- $values := .context.Values -}}
{{- range $path -}}{{- $values = index $values . | default $values -}}{{- end -}}
{{- $values.serviceAccount | default dict | toJson -}}
{{- end -}}

{{/* (dict context component) */}}
{{- define "dandelion.serviceAccountName" -}}
{{- $account := include "dandelion.serviceAccount.values" . | fromJson -}}
{{- $account.name | default (printf "%s-%s" (include "dandelion.name" .context) .component) -}}
{{- end -}}

{{/* Nobody to the cluster: a pod that needs a token asks for it. None where yours is named. (dict context component) */}}
{{- define "dandelion.serviceAccount" -}}
{{- $account := include "dandelion.serviceAccount.values" . | fromJson -}}
{{- if not $account.name -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "dandelion.serviceAccountName" . }}
  labels: {{- include "dandelion.labels" . | nindent 4 }}
  {{- with $account.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}
