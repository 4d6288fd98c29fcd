{{/* What the parts are called, and by what their pods are found. */}}

{{/* Before every name. A long release name is cut and told apart by a hash, so that the longest suffix still fits. */}}
{{- define "dandelion.name" -}}
{{- $name := .Values.global.fullnameOverride | default .Release.Name -}}
{{- if gt (len $name) 34 -}}
{{- printf "%s-%s" ($name | trunc 28 | trimSuffix "-") (sha256sum $name | trunc 5) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a component: never a version. (dict context component) */}}
{{- define "dandelion.selector" -}}
app.kubernetes.io/name: dandelion
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* (dict context component) */}}
{{- define "dandelion.labels" -}}
{{- $chart := .context.Chart -}}
{{ include "dandelion.selector" . }}
app.kubernetes.io/part-of: dandelion
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
app.kubernetes.io/version: {{ $chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $chart.Name $chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels of a pod: what selectors and policies look at. (dict context component) */}}
{{- define "dandelion.podLabels" -}}
{{ include "dandelion.selector" . }}
app.kubernetes.io/part-of: dandelion
dandelion/release: {{ .context.Release.Name | quote }}
{{- end -}}

{{/* What policies select by: Prefect's worker writes over names and parts of flow runs. (dict context component) */}}
{{- define "dandelion.policySelector" -}}
dandelion/release: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}
