{{/* Where people find what runs: hosts of a Gateway or an Ingress, else a port that kubectl forwards. */}}

{{/* The URL of a part from outside, without a slash at its end; empty where no host leads to it. (dict context part) */}}
{{- define "dandelion.address.public" -}}
{{- $values := .context.Values -}}
{{- $key := printf "%sHost" .part -}}
{{- $path := include "dandelion.path" . | trimSuffix "/" -}}
{{- range $way, $secret := dict "gateway" "tlsSecret" "ingress" (printf "%sTlsSecret" .part) -}}
{{- $is := index $values $way -}}
{{- if and $is.enabled (index $is $key) -}}
{{- printf "http%s://%s%s\n" (ternary "s" "" (ne (index $is $secret) "")) (index $is $key | replace "*" "ANY-NAME") $path -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The first of these, or the one behind a forwarded port. (dict context part port) */}}
{{- define "dandelion.address.url" -}}
{{- include "dandelion.address.public" . | splitList "\n" | first | default (printf "http://127.0.0.1:%d%s" (int .port) (include "dandelion.path" . | trimSuffix "/")) -}}
{{- end -}}

{{/* How to forward a port of a Service; as wide as the longest, so that addresses stand in a column. (dict context service port target) */}}
{{- define "dandelion.address.forward" -}}
kubectl -n {{ .namespace | default .context.Release.Namespace }} port-forward service/{{ .service }} {{ .port }}:{{ .target | default .port }}
{{- end -}}

{{/* The addresses of every part, for people. */}}
{{- define "dandelion.addresses" -}}
{{- $name := include "dandelion.name" . -}}
{{- $values := .Values -}}
{{- range $part, $port := dict "api" 8000 "ui" 7860 }}
{{- if (index $values $part).enabled }}
{{- $what := ternary "API and its documentation" "Web page" (eq $part "api") }}
{{- $end := ternary "/docs" "" (eq $part "api") }}
{{- $public := include "dandelion.address.public" (dict "context" $ "part" $part) | splitList "\n" | compact }}
{{- range $public }}
- {{ $what }}: {{ . }}{{ $end }}
{{- else }}
- {{ $what }}: {{ include "dandelion.address.url" (dict "context" $ "part" $part "port" $port) }}{{ $end }} after
    {{ include "dandelion.address.forward" (dict "context" $ "service" (printf "%s-%s" $name $part) "port" $port) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $values.mlflow.enabled }}
- MLflow: http://127.0.0.1:5000 after
    {{ include "dandelion.address.forward" (dict "context" $ "service" (printf "%s-mlflow" $name) "port" 5000) }}
{{- else }}
- MLflow: {{ $values.global.externalMlflow.url }}
{{- end }}
{{- if and $values.prefect.enabled $values.prefect.server.enabled }}
- Prefect: http://127.0.0.1:4200 after
    {{ include "dandelion.address.forward" (dict "context" $ "service" (printf "%s-prefect-server" $name) "port" 4200) }}
{{- else if $values.prefect.enabled }}
- Prefect: {{ $values.global.externalPrefect.url | trimSuffix "/api" }}
{{- end }}
{{- $stack := include "dandelion.stack" . | fromJson }}
{{- if and $stack.enabled (dig "grafana" "enabled" true $stack) }}
{{- $grafana := include "dandelion.monitoring.grafana" . }}
{{- $namespace := dig "grafana" "namespaceOverride" "" $stack | default .Release.Namespace }}
{{- $ingress := dig "grafana" "ingress" dict $stack }}
{{- range and $ingress.enabled $ingress.hosts | default list }}
- Grafana: http{{ if $ingress.tls }}s{{ end }}://{{ . }}{{ $ingress.path | default "/" | trimSuffix "/" }}
{{- else }}
- Grafana: http://127.0.0.1:3000 after
    {{ include "dandelion.address.forward" (dict "context" $ "namespace" $namespace "service" $grafana "port" 3000 "target" (dig "grafana" "service" "port" 80 $stack | int)) }}
{{- end }}
  Sign in as {{ dig "grafana" "adminUser" "admin" $stack }} with the password that this prints:
    kubectl -n {{ $namespace }} get secret {{ dig "grafana" "admin" "existingSecret" "" $stack | default $grafana }} -o jsonpath='{.data.{{ dig "grafana" "admin" "passwordKey" "admin-password" $stack }}}' | base64 -d
{{- end }}
{{- if and $values.api.enabled $values.api.grpc.enabled }}
{{- if and $values.gateway.enabled $values.gateway.grpcHost }}
- gRPC (Open Inference Protocol): {{ $values.gateway.grpcHost }}:{{ ternary 443 80 (ne $values.gateway.tlsSecret "") }}
{{- else }}
- gRPC (Open Inference Protocol): dns:///{{ $name }}-api-grpc.{{ $.Release.Namespace }}:{{ int $values.api.grpc.port }} inside the cluster;
  clients balance their calls ("gRPC" in docs/install.md)
{{- end }}
{{- end }}
{{- end -}}
