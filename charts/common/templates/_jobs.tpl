{{/*
A Job that runs once for each content. Kubernetes changes no Job, so its name ends with a hash of what it runs and of the
`inputs` that its spec only names, such as a ConfigMap's content: an upgrade that changes neither leaves the Job as it is, and
every other makes a new one. `spec` and `inputs` are text; `values` are those of its part.
(dict context values component name spec inputs annotations)
*/}}
{{- define "dandelion.job" -}}
{{- $spec := include "dandelion.workload.job" (dict "context" .context "values" .values "spec" .spec) -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ printf "%s-%s" .name (printf "%s\n%s" $spec (.inputs | default "") | sha256sum | trunc 8) }}
  labels: {{- include "dandelion.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec: {{- $spec | nindent 2 }}
{{- end -}}
