{{/* A pod that `helm test` runs. (dict context name arguments) */}}
{{- define "dandelion.test" -}}
{{- include "dandelion.workload" (dict "context" .context "values" .context.Values.tests "manifest" (include "dandelion.test.pod" .)) }}
{{- end -}}

{{- define "dandelion.test.pod" -}}
{{- $context := .context -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "dandelion.name" $context }}-test-{{ .name }}
  labels:
    {{- include "dandelion.labels" (dict "context" $context "component" "test") | nindent 4 }}
    dandelion/release: {{ $context.Release.Name | quote }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  {{- /* Without keys of its own, it is to the S3 server what the API is. */}}
  {{- $account := ternary "api" "" (and $context.Values.api.enabled $context.Values.global.externalS3.workloadIdentity) }}
  {{- include "dandelion.pod" (dict "context" $context "account" $account) | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: check
      image: {{ include "dandelion.ownImage" (dict "context" $context "part" "api" "image" $context.Values.api.image) }}
      imagePullPolicy: {{ $context.Values.global.image.pullPolicy }}
      {{- if $context.Values.global.access.enabled }}
      # Signs itself a token for a quarter of an hour.
      command: [sh, -c, 'DANDELION_API_KEY=$(dandelion keys token helm-test --scope predict) exec dandelion "$@"', check]
      {{- end }}
      # The network may learn of a new pod's address only after the pod has asked.
      args: {{- concat .arguments (list "--wait" "1m") | toJson | nindent 8 }}
      env:
        {{- include "dandelion.parts.env" $context | nindent 8 }}
        {{- include "dandelion.access.env" $context | nindent 8 }}
      resources: {{- toYaml $context.Values.tests.resources | nindent 8 }}
      securityContext: {{- include "dandelion.container" $context | nindent 8 }}
      volumeMounts: {{- include "dandelion.mounts" $context | nindent 8 }}
  volumes: {{- include "dandelion.volumes" (dict "context" $context "size" "1Gi") | nindent 4 }}
{{- end -}}
