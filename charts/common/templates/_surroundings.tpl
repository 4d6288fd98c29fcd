{{/* Proxies and authorities of the place where the release runs. */}}

{{/*
Of the release itself, nothing goes through a proxy: its Services, the API of Kubernetes, and what tells a pod on its node who
it is (EKS Pod Identity, the metadata of the machine). IPv6 is without brackets, which httpx refuses.
*/}}
{{- define "dandelion.proxy.env" -}}
{{- $proxy := .Values.global.proxy | default dict -}}
{{- if or $proxy.http $proxy.https }}
{{- $name := include "dandelion.name" . -}}
{{- $direct := list "localhost" "127.0.0.1" "::1" "$(KUBERNETES_SERVICE_HOST)" ".svc" ".cluster.local" "169.254.169.254" "169.254.170.23" "fd00:ec2::23" -}}
{{- range $service := list "api" "api-pods" "api-grpc" "ui" "mlflow" "mysql" "minio" "prefect-server" -}}
{{- $direct = append $direct (printf "%s-%s" $name $service) -}}
{{- end -}}
{{- $account := "" -}}
{{- with $proxy.existingSecret }}
{{- $account = "$(PROXY_USERNAME):$(PROXY_PASSWORD)@" }}
{{- range $key := list "username" "password" }}
- name: PROXY_{{ upper $key }}
  valueFrom:
    secretKeyRef:
      name: {{ $proxy.existingSecret }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- range $scheme := list "http" "https" }}
{{- with index $proxy $scheme }}
- name: {{ upper $scheme }}_PROXY
  value: {{ replace "://" (printf "://%s" $account) . | quote }}
{{- end }}
{{- end }}
- name: NO_PROXY
  value: {{ concat $direct ($proxy.exceptions | default list) | join "," | quote }}
{{- end }}
{{- end -}}

{{- define "dandelion.caBundle.file" -}}/etc/dandelion/ca/ca.crt{{- end -}}

{{/* By what Python's ssl and httpx, requests, boto3, curl and Go programs learn whom to trust. */}}
{{- define "dandelion.caBundle.env" -}}
{{- $bundle := .Values.global.caBundle | default dict -}}
{{- if or $bundle.configMap $bundle.secret }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" "CURL_CA_BUNDLE" }}
- name: {{ . }}
  value: {{ include "dandelion.caBundle.file" $ }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dandelion.caBundle.volumes" -}}
{{- $bundle := .Values.global.caBundle | default dict -}}
{{- $items := list (dict "key" $bundle.key "path" "ca.crt") -}}
{{- if $bundle.configMap }}
- name: ca-bundle
  configMap: {{- dict "name" $bundle.configMap "items" $items | toYaml | nindent 4 }}
{{- else if $bundle.secret }}
- name: ca-bundle
  secret: {{- dict "secretName" $bundle.secret "items" $items | toYaml | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "dandelion.caBundle.mounts" -}}
{{- if include "dandelion.caBundle.volumes" . | trim }}
- name: ca-bundle
  mountPath: {{ include "dandelion.caBundle.file" . | dir }}
  readOnly: true
{{- end }}
{{- end -}}
