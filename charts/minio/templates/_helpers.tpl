{{- define "dandelion-minio.name" -}}
{{ include "dandelion.name" . }}-minio
{{- end -}}

{{/*
What each account may do: actions by bucket, or by what lies in one. Nobody but the administrator makes or removes buckets.
`dandelion privacy erase` runs in a pod of the API, and so it may delete what was frozen of predicted photos and the page that
pictures some, and nothing else there. `dandelion backup list` runs there, too. A restore writes down beside the photos that
it has run.
*/}}
{{- define "dandelion-minio.rights" -}}
{{- $read := list "s3:GetBucketLocation" "s3:ListBucket" "s3:GetObject" -}}
{{- $write := concat $read (list "s3:ListBucketVersions" "s3:PutObject" "s3:DeleteObject" "s3:DeleteObjectVersion" "s3:GetLifecycleConfiguration" "s3:AbortMultipartUpload" "s3:ListMultipartUploadParts" "s3:ListBucketMultipartUploads") -}}
{{- $add := concat $read (list "s3:PutObject" "s3:AbortMultipartUpload" "s3:ListMultipartUploadParts" "s3:ListBucketMultipartUploads") -}}
{{- $remove := list "s3:DeleteObject" "s3:DeleteObjectVersion" -}}
api:
  data-lake: {{ toJson $write }}
  processed-data: {{ toJson (concat $read (list "s3:ListBucketVersions" "s3:GetLifecycleConfiguration")) }}
  processed-data/photos/feedback/*: {{ toJson $remove }}
  processed-data/monitoring/*: {{ toJson $remove }}
  backups: {{ toJson (list "s3:GetBucketLocation" "s3:ListBucket" "s3:GetLifecycleConfiguration") }}
  backups/dandelion/*/manifest.json: {{ toJson (list "s3:GetObject") }}
worker:
  data-lake: {{ toJson $write }}
  processed-data: {{ toJson $write }}
  backups: {{ toJson $add }}
mlflow:
  mlflow-artifacts: {{ toJson $write }}
backup:
  mlflow-artifacts: {{ toJson $read }}
  data-lake: {{ toJson $read }}
  data-lake/restores/*: {{ toJson (list "s3:PutObject") }}
  processed-data: {{ toJson $read }}
  backups: {{ toJson $add }}
{{- end -}}

{{/* The administrator's own settings, for buckets and accounts. */}}
{{- define "dandelion-minio.setup.env" -}}
{{- $secret := .Values.global.existingSecrets.minio | default (include "dandelion-minio.name" .) -}}
{{ include "dandelion.common.env" . }}
- name: DANDELION_OBJECTS__URL
  value: http://{{ include "dandelion-minio.name" . }}:9000
- name: DANDELION_OBJECTS__ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: root-user
- name: DANDELION_OBJECTS__SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: root-password
{{- range $name, $days := dict "DATA_LAKE" .Values.retention.dataLakeDays "PROCESSED_DATA" .Values.retention.processedDataDays "BACKUPS" .Values.retention.backupsDays }}
{{- if $days }}
- name: DANDELION_OBJECTS__{{ $name }}_DAYS
  value: {{ $days | quote }}
{{- end }}
{{- end }}
{{- end -}}
