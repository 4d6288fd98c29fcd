{{/* By what Prometheus finds our monitors and rules. */}}
{{- define "dandelion.monitoring.labels" -}}
{{- .Values.global.monitoring.labels | default (dict "release" .Release.Name) | toYaml -}}
{{- end -}}

{{/*
Tells Prometheus to scrape the Service of a component. `labels` must be the Service's as well; `jobLabel` names the one that
becomes the job. (dict context component endpoint labels jobLabel)
*/}}
{{- define "dandelion.serviceMonitor" -}}
{{- if .context.Values.global.monitoring.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "dandelion.name" .context }}-{{ .component }}
  labels:
    {{- include "dandelion.labels" . | nindent 4 }}
    {{- include "dandelion.monitoring.labels" .context | nindent 4 }}
spec:
  jobLabel: {{ .jobLabel | default "app.kubernetes.io/component" }}
  selector:
    matchLabels:
      {{- include "dandelion.selector" . | nindent 6 }}
      {{- with .labels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  endpoints:
    - {{ toYaml .endpoint | nindent 6 | trim }}
      # By which rules and dashboards tell releases apart.
      relabelings:
        - {targetLabel: release, replacement: {{ include "dandelion.name" .context | quote }}}
{{- end -}}
{{- end -}}
