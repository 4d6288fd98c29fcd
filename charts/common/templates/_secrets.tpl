{{/*
What the cluster has under this name, as JSON; nothing where the chart is rendered without a cluster, and never with
`global.gitops`, so that all tools render the same. (dict context apiVersion kind name)
*/}}
{{- define "dandelion.lookup" -}}
{{- if not .context.Values.global.gitops -}}
{{- lookup .apiVersion .kind .context.Release.Namespace .name | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/*
A Secret that the chart generates once: what the cluster has of it stays, and is kept when the release is gone, as volumes
are. With `global.gitops` there is none. `data` maps keys to texts. (dict context component name data)
*/}}
{{- define "dandelion.generatedSecret" -}}
{{- if not .context.Values.global.gitops -}}
{{- $held := (include "dandelion.lookup" (dict "context" .context "apiVersion" "v1" "kind" "Secret" "name" .name) | fromJson).data | default dict -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  labels: {{- include "dandelion.labels" . | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  {{- range $key, $text := .data }}
  {{ $key }}: {{ index $held $key | default ($text | b64enc) }}
  {{- end }}
{{- end -}}
{{- end -}}
