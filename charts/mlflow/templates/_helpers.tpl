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

{{/*
What makes the driver encrypt and check the server's certificate, which it does only if it is told whom to trust: the authority
that is named, those of global.caBundle, or those of the system.
*/}}
{{- define "dandelion-mlflow.encryption" -}}
{{- if include "dandelion.database.caSecret" . -}}
?ssl_ca=/etc/dandelion/database/ca.crt
{{- else if include "dandelion.database.encrypted" . -}}
?ssl_ca={{ ternary (include "dandelion.caBundle.file" .) "/etc/ssl/certs/ca-certificates.crt" (include "dandelion.caBundle.volumes" . | trim | empty | not) }}
{{- end -}}
{{- end -}}

{{/* Creates or migrates the tables. The driver would go on in plain text with a server that offers no encryption. */}}
{{- define "dandelion-mlflow.tables" -}}
import os, sys
from mlflow.db import commands
from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry

uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
{{- if include "dandelion.database.encrypted" . }}
with create_sqlalchemy_engine_with_retry(uri).connect() as connection:
    if not connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").first()[1]:
        sys.exit("The database server offers no encryption: switch TLS on there, or set global.externalDatabase.tls.enabled=false.")
{{- end }}
commands(["upgrade", uri])
{{- end -}}

{{- define "dandelion-mlflow.env" -}}
- name: PASSWORD
  valueFrom: {{- include "dandelion.database.passwordRef" (dict "context" . "account" "mlflow") | nindent 4 }}
- name: MLFLOW_BACKEND_STORE_URI
  value: {{ printf "mysql+pymysql://%s:$(PASSWORD)@%s:%s/%s%s" .Values.database.user (include "dandelion.database.host" .) (include "dandelion.database.port" .) .Values.database.name (include "dandelion-mlflow.encryption" .) | quote }}
- name: MLFLOW_ARTIFACTS_DESTINATION
  value: s3://{{ include "dandelion.objects.prefix" . }}mlflow-artifacts
- name: MLFLOW_S3_ENDPOINT_URL
  value: {{ include "dandelion.objects.url" . | quote }}
- name: AWS_DEFAULT_REGION
  value: {{ ternary .Values.global.externalS3.region "us-east-1" (ne .Values.global.externalS3.url "") | quote }}
{{- if not (include "dandelion.objects.hasIdentity" .) }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {{- include "dandelion.objects.keyRef" (dict "context" . "account" "mlflow" "key" "access") | nindent 4 }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {{- include "dandelion.objects.keyRef" (dict "context" . "account" "mlflow" "key" "secret") | nindent 4 }}
{{- end }}
# Since 1.36 boto3 sends checksums that several S3 servers do not know, and expects them.
- name: AWS_REQUEST_CHECKSUM_CALCULATION
  value: when_required
- name: AWS_RESPONSE_CHECKSUM_VALIDATION
  value: when_required
- name: MLFLOW_SERVER_ENABLE_JOB_EXECUTION
  value: "false"
- name: MLFLOW_DISABLE_TELEMETRY
  value: "true"
- name: HOME
  value: /data
{{- end -}}
