{{- define "dandelion-mlflow.name" -}}
{{ include "dandelion.name" . }}-mlflow
{{- end -}}

{{/* By which hosts clients in the cluster ask. */}}
{{- define "dandelion-mlflow.hosts" -}}
{{- $name := include "dandelion-mlflow.name" . -}}
{{- $hosts := list "localhost:5000" "127.0.0.1:5000" -}}
{{- if .Values.global.monitoring.enabled -}}
{{- /* Prometheus asks by the pod's address. */ -}}
{{- $hosts = concat $hosts (list "$(POD_IP):5000" "[$(POD_IP)]:5000") -}}
{{- end -}}
{{- range $suffix := list "" (printf ".%s" .Release.Namespace) (printf ".%s.svc" .Release.Namespace) (printf ".%s.svc.cluster.local" .Release.Namespace) -}}
{{- $hosts = concat $hosts (list (printf "%s%s" $name $suffix) (printf "%s%s:5000" $name $suffix)) -}}
{{- end -}}
{{- concat $hosts .Values.allowedHosts | join "," -}}
{{- end -}}

{{- define "dandelion-mlflow.env" -}}
- name: PASSWORD
  valueFrom: {{- include "dandelion.database.passwordRef" (dict "context" . "account" "mlflow") | nindent 4 }}
- name: MLFLOW_BACKEND_STORE_URI
  value: {{ printf "mysql+pymysql://%s:$(PASSWORD)@%s:%s/%s%s" .Values.database.user (include "dandelion.database.host" .) (include "dandelion.database.port" .) .Values.database.name (ternary "?ssl_ca=/etc/dandelion/database/ca.crt" "" (ne (include "dandelion.database.caSecret" .) "")) | quote }}
- name: MLFLOW_ARTIFACTS_DESTINATION
  value: s3://{{ include "dandelion.objects.prefix" . }}mlflow-artifacts
- name: MLFLOW_S3_ENDPOINT_URL
  value: {{ include "dandelion.objects.url" . | quote }}
- name: AWS_DEFAULT_REGION
  value: {{ ternary .Values.global.externalS3.region "us-east-1" (ne .Values.global.externalS3.url "") | quote }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {{- include "dandelion.objects.keyRef" (dict "context" . "account" "mlflow" "key" "access") | nindent 4 }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {{- include "dandelion.objects.keyRef" (dict "context" . "account" "mlflow" "key" "secret") | nindent 4 }}
- name: MLFLOW_SERVER_ENABLE_JOB_EXECUTION
  value: "false"
- name: MLFLOW_DISABLE_TELEMETRY
  value: "true"
- name: HOME
  value: /data
{{- end -}}
