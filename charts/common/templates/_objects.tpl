{{/* Where objects are, and our way in. */}}

{{- define "dandelion.objects.url" -}}
{{- .Values.global.externalS3.url | trimSuffix "/" | default (printf "http://%s-minio:9000" (include "dandelion.name" .)) -}}
{{- end -}}

{{- define "dandelion.objects.secret" -}}
{{- if .Values.global.externalS3.url -}}
{{- .Values.global.externalS3.existingSecret -}}
{{- else -}}
{{- .Values.global.existingSecrets.minio | default (printf "%s-minio" (include "dandelion.name" .)) -}}
{{- end -}}
{{- end -}}

{{/*
The key `access` or `secret` of an account: api, worker, mlflow or backup. An external server may know us by one account.
(dict context account key)
*/}}
{{- define "dandelion.objects.keyRef" -}}
{{- $external := .context.Values.global.externalS3 -}}
secretKeyRef:
  name: {{ include "dandelion.objects.secret" .context }}
  key: {{ ternary (printf "%s-key" .key) (printf "%s-%s-key" .account .key) (and (ne $external.url "") $external.oneAccount) }}
{{- end -}}

{{/* Whether the cloud tells the S3 server who we are, instead of keys. (empty means no) */}}
{{- define "dandelion.objects.hasIdentity" -}}
{{- if and .Values.global.externalS3.url .Values.global.externalS3.workloadIdentity }}true{{ end -}}
{{- end -}}

{{/* (dict context account) */}}
{{- define "dandelion.objects.env" -}}
{{- $external := .context.Values.global.externalS3 -}}
- name: DANDELION_OBJECTS__URL
  value: {{ include "dandelion.objects.url" .context | quote }}
{{- if include "dandelion.objects.hasIdentity" .context }}
- name: DANDELION_OBJECTS__WORKLOAD_IDENTITY
  value: "true"
{{- else }}
- name: DANDELION_OBJECTS__ACCESS_KEY
  valueFrom: {{- include "dandelion.objects.keyRef" (dict "context" .context "account" .account "key" "access") | nindent 4 }}
- name: DANDELION_OBJECTS__SECRET_KEY
  valueFrom: {{- include "dandelion.objects.keyRef" (dict "context" .context "account" .account "key" "secret") | nindent 4 }}
{{- end }}
- name: DANDELION_OBJECTS__CREATE_BUCKETS
  value: "false"
{{- if $external.url }}
- name: DANDELION_OBJECTS__REGION
  value: {{ $external.region | quote }}
{{- with $external.bucketPrefix }}
- name: DANDELION_OBJECTS__BUCKET_PREFIX
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Before the names of all buckets. */}}
{{- define "dandelion.objects.prefix" -}}
{{- if .Values.global.externalS3.url }}{{ .Values.global.externalS3.bucketPrefix }}{{ end -}}
{{- end -}}
