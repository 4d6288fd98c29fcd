{{/*
What all parts share: names, labels, images, security, and the environment that leads from one part to another.
Subcharts see .Release, .Chart and .Values.global only, so everything here is made of these.
*/}}

{{/* Before every name. A long release name is cut and told apart by a hash, so that the longest suffix still fits. */}}
{{- define "dandelion.name" -}}
{{- $name := .Values.global.fullnameOverride | default .Release.Name -}}
{{- if gt (len $name) 34 -}}
{{- printf "%s-%s" ($name | trunc 28 | trimSuffix "-") (sha256sum $name | trunc 5) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a component: never a version. (list context component) */}}
{{- define "dandelion.selector" -}}
{{- $context := index . 0 -}}
app.kubernetes.io/name: dandelion
app.kubernetes.io/instance: {{ $context.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (list context component) */}}
{{- define "dandelion.labels" -}}
{{- $context := index . 0 -}}
{{ include "dandelion.selector" . }}
app.kubernetes.io/part-of: dandelion
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels of a pod: what selectors and policies look at. (list context component) */}}
{{- define "dandelion.podLabels" -}}
{{ include "dandelion.selector" . }}
app.kubernetes.io/part-of: dandelion
dandelion/release: {{ (index . 0).Release.Name | quote }}
{{- end -}}

{{/* What policies select by: Prefect's worker writes over names and parts of flow runs. (list context component) */}}
{{- define "dandelion.policySelector" -}}
dandelion/release: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* An image: registry/repository:tag, or @digest where one is given. (list context image) */}}
{{- define "dandelion.image" -}}
{{- $context := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := $context.Values.global.imageRegistry | default $image.registry -}}
{{- $name := ternary (printf "%s/%s" $registry $image.repository) $image.repository (ne $registry "") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default $context.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* One of our own images, with what its part sets of it. (list context part image) */}}
{{- define "dandelion.ownImage" -}}
{{- $context := index . 0 -}}
{{- $part := index . 1 -}}
{{- $image := index . 2 -}}
{{- $ours := $context.Values.global.image -}}
{{- include "dandelion.image" (list $context (dict
      "registry" $ours.registry
      "repository" ($image.repository | default (printf "%s-%s" $ours.repository $part))
      "tag" ($image.tag | default $ours.tag)
      "digest" $image.digest)) -}}
{{- end -}}

{{/* What every pod begins with: no token, no environment of other Services, nobody's root. (list context uid) */}}
{{- define "dandelion.pod" -}}
{{- $context := index . 0 -}}
{{- $uid := index . 1 -}}
enableServiceLinks: false
{{- with $context.Values.global.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $context.Values.global.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $context.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $context.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $context.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $uid }}
  runAsGroup: {{ $uid }}
  fsGroup: {{ $uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "dandelion.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Our images' user. */}}
{{- define "dandelion.uid" -}}10001{{- end -}}

{{/* Where the database is, and our way in. */}}
{{- define "dandelion.database.host" -}}
{{- .Values.global.externalDatabase.host | default (printf "%s-mysql" (include "dandelion.name" .)) -}}
{{- end -}}

{{- define "dandelion.database.port" -}}
{{- ternary .Values.global.externalDatabase.port 3306 (ne .Values.global.externalDatabase.host "") | int -}}
{{- end -}}

{{- define "dandelion.database.secret" -}}
{{- if .Values.global.externalDatabase.host -}}
{{- .Values.global.externalDatabase.existingSecret -}}
{{- else -}}
{{- .Values.global.existingSecrets.mysql | default (printf "%s-mysql" (include "dandelion.name" .)) -}}
{{- end -}}
{{- end -}}

{{/* Of one of our database accounts: dandelion or mlflow. (list context account) */}}
{{- define "dandelion.database.passwordRef" -}}
{{- $context := index . 0 -}}
secretKeyRef:
  name: {{ include "dandelion.database.secret" $context }}
  key: {{ index . 1 }}-password
{{- end -}}

{{- define "dandelion.database.env" -}}
{{- $external := .Values.global.externalDatabase -}}
{{- $user := ternary $external.user "dandelion" (ne $external.host "") -}}
{{- $name := ternary $external.name "mlops_db" (ne $external.host "") -}}
- name: DANDELION_DATABASE__URL
  value: {{ printf "mysql://%s@%s:%s/%s" $user (include "dandelion.database.host" .) (include "dandelion.database.port" .) $name | quote }}
- name: DANDELION_DATABASE__PASSWORD
  valueFrom: {{- include "dandelion.database.passwordRef" (list . "dandelion") | nindent 4 }}
- name: DANDELION_DATABASE__AUTO_UPGRADE
  value: "false"
{{- if and $external.host $external.tls.enabled }}
- name: DANDELION_DATABASE__TLS
  value: "true"
{{- if $external.tls.caSecret }}
- name: DANDELION_DATABASE__TLS_CA
  value: /etc/dandelion/database/ca.crt
{{- end }}
{{- else if and (not $external.host) .Values.global.mysqlTls.secret }}
- name: DANDELION_DATABASE__TLS
  value: "true"
- name: DANDELION_DATABASE__TLS_CA
  value: /etc/dandelion/database/ca.crt
{{- end }}
{{- end -}}

{{/* The Secret with the certificate authority of the database, if there is one. */}}
{{- define "dandelion.database.caSecret" -}}
{{- if .Values.global.externalDatabase.host -}}
{{- if .Values.global.externalDatabase.tls.enabled }}{{ .Values.global.externalDatabase.tls.caSecret }}{{ end -}}
{{- else -}}
{{- .Values.global.mysqlTls.secret -}}
{{- end -}}
{{- end -}}

{{/* Where objects are. */}}
{{- define "dandelion.objects.url" -}}
{{- .Values.global.externalS3.url | default (printf "http://%s-minio:9000" (include "dandelion.name" .)) -}}
{{- end -}}

{{- define "dandelion.objects.secret" -}}
{{- if .Values.global.externalS3.url -}}
{{- .Values.global.externalS3.existingSecret -}}
{{- else -}}
{{- .Values.global.existingSecrets.minio | default (printf "%s-minio" (include "dandelion.name" .)) -}}
{{- end -}}
{{- end -}}

{{/* One of the two keys of an account: api, worker, mlflow or backup. An external server may know us by one account.
     (list context account access|secret) */}}
{{- define "dandelion.objects.keyRef" -}}
{{- $context := index . 0 -}}
{{- $external := $context.Values.global.externalS3 -}}
secretKeyRef:
  name: {{ include "dandelion.objects.secret" $context }}
  key: {{ ternary (printf "%s-key" (index . 2)) (printf "%s-%s-key" (index . 1) (index . 2)) (and (ne $external.url "") $external.oneAccount) }}
{{- end -}}

{{/* (list context account) */}}
{{- define "dandelion.objects.env" -}}
{{- $context := index . 0 -}}
- name: DANDELION_OBJECTS__URL
  value: {{ include "dandelion.objects.url" $context | quote }}
- name: DANDELION_OBJECTS__ACCESS_KEY
  valueFrom: {{- include "dandelion.objects.keyRef" (list $context (index . 1) "access") | nindent 4 }}
- name: DANDELION_OBJECTS__SECRET_KEY
  valueFrom: {{- include "dandelion.objects.keyRef" (list $context (index . 1) "secret") | nindent 4 }}
- name: DANDELION_OBJECTS__CREATE_BUCKETS
  value: "false"
{{- if $context.Values.global.externalS3.url }}
- name: DANDELION_OBJECTS__REGION
  value: {{ $context.Values.global.externalS3.region | quote }}
{{- with $context.Values.global.externalS3.bucketPrefix }}
- name: DANDELION_OBJECTS__BUCKET_PREFIX
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Before the names of all buckets. */}}
{{- define "dandelion.objects.prefix" -}}
{{- if .Values.global.externalS3.url }}{{ .Values.global.externalS3.bucketPrefix }}{{ end -}}
{{- end -}}

{{/* Where models are registered. */}}
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

{{/* Where flows are started. */}}
{{- define "dandelion.prefect.url" -}}
{{- .Values.global.externalPrefect.url | default (printf "http://%s-prefect-server:4200/api" (include "dandelion.name" .)) -}}
{{- end -}}

{{/* For Prefect's own programs. */}}
{{- define "dandelion.prefect.env" -}}
- name: PREFECT_API_URL
  value: {{ include "dandelion.prefect.url" . | quote }}
- name: PREFECT_HOME
  value: /data/prefect
- name: PREFECT_SERVER_ANALYTICS_ENABLED
  value: "false"
{{- with .Values.global.externalPrefect.existingSecret }}
- name: PREFECT_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: api-key
{{- end }}
{{- end -}}

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

{{/* What all programs of ours share. */}}
{{- define "dandelion.common.env" -}}
- name: DANDELION_HOME
  value: /data
- name: DANDELION_LOG__FORMAT
  value: json
- name: DANDELION_LOG__LEVEL
  value: {{ .Values.global.logLevel }}
{{- end -}}

{{/* A value generated once: what the Secret in the cluster holds, else fresh. (list data key value) */}}
{{- define "dandelion.kept" -}}
{{- $held := index (index . 0) (index . 1) -}}
{{- $held | default (index . 2 | b64enc) -}}
{{- end -}}

{{/* The end of a Job's name: Jobs cannot be changed, so another content makes another Job. (list context content) */}}
{{- define "dandelion.jobSuffix" -}}
{{- $context := index . 0 -}}
{{- printf "%d-%s" $context.Release.Revision (index . 1) | sha256sum | trunc 8 -}}
{{- end -}}

{{/* What Jobs and test pods of the API's image need to reach every part, with the API's own rights. */}}
{{- define "dandelion.parts.env" -}}
{{ include "dandelion.common.env" . }}
{{ include "dandelion.database.env" . }}
{{ include "dandelion.objects.env" (list . "api") }}
{{ include "dandelion.mlflow.env" . }}
{{- end -}}

{{/* Folders that a read-only container of ours writes to. (list context size) */}}
{{- define "dandelion.volumes" -}}
{{- $context := index . 0 -}}
- name: data
  emptyDir:
    sizeLimit: {{ index . 1 }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- with include "dandelion.database.caSecret" $context }}
- name: database-ca
  secret:
    secretName: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end -}}

{{- define "dandelion.mounts" -}}
- name: data
  mountPath: /data
- name: tmp
  mountPath: /tmp
{{- if include "dandelion.database.caSecret" . }}
- name: database-ca
  mountPath: /etc/dandelion/database
  readOnly: true
{{- end }}
{{- end -}}

{{/* By what Prometheus finds our monitors and rules. */}}
{{- define "dandelion.monitoring.labels" -}}
{{- $labels := .Values.global.monitoring.labels | default (dict "release" .Release.Name) -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* A quantity of memory in MiB: 512Mi, 1.5Gi, 2G. */}}
{{- define "dandelion.mebi" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $factors := dict "Ki" 0.0009765625 "Mi" 1.0 "Gi" 1024.0 "Ti" 1048576.0 "M" 0.95367431640625 "G" 953.67431640625 "T" 953674.31640625 "" 0.00000095367431640625 -}}
{{- if not (hasKey $factors $unit) }}{{ fail (printf "%q is not a quantity of memory or storage: write it like 512Mi or 2Gi" $text) }}{{ end -}}
{{- mulf $number (index $factors $unit) | ceil | int64 -}}
{{- end -}}

{{/* A quantity of CPU in thousandths of a core: 250m, 1.5. */}}
{{- define "dandelion.milli" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- if hasSuffix "m" $text }}{{ $number | int64 }}{{ else }}{{ mulf $number 1000 | int64 }}{{ end -}}
{{- end -}}
