{{/*
What kube-prometheus-stack's values say of Prometheus and Grafana, as JSON without nulls: users unset its defaults by null, on
which `dig` fails.
*/}}
{{- define "dandelion.stack" -}}
{{- pick (index .Values "kube-prometheus-stack") "enabled" "fullnameOverride" "grafana" "nameOverride" "namespaceOverride" "prometheus" | include "dandelion.withoutNulls" -}}
{{- end -}}

{{/* A map as JSON, without the keys whose value is null. (map) */}}
{{- define "dandelion.withoutNulls" -}}
{{- $found := dict -}}
{{- range $key, $value := . -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $found $key (include "dandelion.withoutNulls" $value | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $found $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}
