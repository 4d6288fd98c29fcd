{{/*
Who talks to whom, as JSON: {"components": {name: port or 0}, "edges": [[from, to]]}. Policies are made of this list alone,
so that what one side may send the other may take.
*/}}
{{- define "dandelion.edges" -}}
{{- $v := .Values -}}
{{- $prefectServer := and $v.prefect.enabled $v.prefect.server.enabled -}}
{{- $ports := dict -}}
{{- $edges := list -}}
{{- if $v.api.enabled -}}
{{- $_ := set $ports "api" 8000 -}}{{- $_ := set $ports "api-setup" 0 -}}
{{- end -}}
{{- if $v.ui.enabled -}}{{- $_ := set $ports "ui" 7860 -}}{{- end -}}
{{- if $v.mlflow.enabled -}}{{- $_ := set $ports "mlflow" 5000 -}}{{- end -}}
{{- if $v.mysql.enabled -}}{{- $_ := set $ports "mysql" 3306 -}}{{- $_ := set $ports "mysql-accounts" 0 -}}{{- end -}}
{{- if $v.minio.enabled -}}{{- $_ := set $ports "minio" 9000 -}}{{- $_ := set $ports "minio-setup" 0 -}}{{- end -}}
{{- if $v.prefect.enabled -}}
{{- range list "prefect-worker" "flow-run" "flows-setup" -}}{{- $_ := set $ports . 0 -}}{{- end -}}
{{- end -}}
{{- if $prefectServer -}}{{- $_ := set $ports "prefect-server" 4200 -}}{{- end -}}
{{- /* A restore's Job stays when the values no longer ask for it, and may still run. */ -}}
{{- if or $v.backups.enabled $v.mysql.enabled -}}{{- $_ := set $ports "backup" 0 -}}{{- end -}}
{{- $_ := set $ports "test" 0 -}}
{{- $wanted := dict
      "api" (list "mysql" "minio" "mlflow" "prefect-server")
      "api-setup" (list "mysql" "minio" "mlflow")
      "ui" (list "api")
      "mlflow" (list "mysql" "minio")
      "mysql" (list "minio")
      "mysql-accounts" (list "mysql")
      "minio-setup" (list "minio")
      "prefect-worker" (list "prefect-server")
      "flows-setup" (list "prefect-server")
      "flow-run" (list "api" "mysql" "minio" "mlflow" "prefect-server")
      "backup" (list "mysql" "minio")
      "test" (list "api" "ui" "mysql" "minio" "mlflow" "prefect-server") -}}
{{- range $from, $targets := $wanted -}}
{{- if hasKey $ports $from -}}
{{- range $targets -}}
{{- if and (hasKey $ports .) (or (ne $from "mysql") $v.mysql.binlogs.every) -}}
{{- $edges = append $edges (list $from .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "components" $ports "edges" $edges | toJson -}}
{{- end -}}

{{/* Whether a component reads or writes objects. (dict context component; empty means no) */}}
{{- define "dandelion.edges.usesObjects" -}}
{{- $isMysql := and (eq .component "mysql") .context.Values.mysql.binlogs.every -}}
{{- if or $isMysql (has .component (list "api" "api-setup" "mlflow" "flow-run" "backup" "test")) }}true{{ end -}}
{{- end -}}

{{/* Ports of external parts that a component needs, as a JSON list. (dict context component) */}}
{{- define "dandelion.edges.external" -}}
{{- $context := .context -}}
{{- $component := .component -}}
{{- $global := $context.Values.global -}}
{{- $ports := list -}}
{{- if and $global.externalDatabase.host (has $component (list "api" "api-setup" "mlflow" "flow-run" "test")) -}}
{{- $ports = append $ports (int $global.externalDatabase.port) -}}
{{- end -}}
{{- if and $global.externalS3.url (include "dandelion.edges.usesObjects" .) -}}
{{- $ports = append $ports (include "dandelion.urlPort" $global.externalS3.url | int) -}}
{{- /* The cloud's token service. */ -}}
{{- if $global.externalS3.workloadIdentity -}}{{- $ports = append $ports 443 -}}{{- end -}}
{{- end -}}
{{- if and $global.externalMlflow.url (has $component (list "api" "api-setup" "flow-run" "test")) -}}
{{- $ports = append $ports (include "dandelion.urlPort" $global.externalMlflow.url | int) -}}
{{- end -}}
{{- if and $global.externalPrefect.url (has $component (list "api" "prefect-worker" "flow-run" "flows-setup" "test")) -}}
{{- $ports = append $ports (include "dandelion.urlPort" $global.externalPrefect.url | int) -}}
{{- end -}}
{{- if and (eq $component "backup") $context.Values.backups.mirror.url -}}
{{- $ports = append $ports (include "dandelion.urlPort" $context.Values.backups.mirror.url | int) -}}
{{- end -}}
{{- if eq $component "api" -}}
{{- with $global.access.jwksUrl -}}
{{- $ports = append $ports (include "dandelion.urlPort" . | int) -}}
{{- end -}}
{{- range $context.Values.networkPolicy.apiEgressPorts -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- end -}}
{{- if eq $component "flow-run" -}}
{{- with $global.monitoring.prometheusUrl -}}
{{- $ports = append $ports (include "dandelion.urlPort" . | int) -}}
{{- end -}}
{{- range $context.Values.networkPolicy.flowEgressPorts -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- end -}}
{{- /* Who reaches something outside may have to go through a proxy. */ -}}
{{- if $ports -}}
{{- $proxy := $global.proxy | default dict -}}
{{- range compact (list $proxy.http $proxy.https) -}}{{- $ports = append $ports (include "dandelion.urlPort" . | int) -}}{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}

{{/*
Namespaces whose Prometheus and Alertmanager watch us, as a JSON list: that of our own stack, and those that the values name.
The label of a pod alone proves nothing, since whoever may make pods anywhere in the cluster may give it.
*/}}
{{- define "dandelion.monitoring.namespaces" -}}
{{- $stack := index .Values "kube-prometheus-stack" -}}
{{- $namespaces := list -}}
{{- if .Values.global.monitoring.enabled -}}
{{- if $stack.enabled -}}
{{- $namespaces = append $namespaces ($stack.namespaceOverride | default .Release.Namespace) -}}
{{- end -}}
{{- $namespaces = concat $namespaces (.Values.global.monitoring.namespaces | default list) -}}
{{- end -}}
{{- uniq $namespaces | toJson -}}
{{- end -}}

{{/* The pods of one of them, as peers in each namespace. (dict namespaces name) */}}
{{- define "dandelion.monitoring.peers" -}}
{{- $name := .name -}}
{{- range .namespaces }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . | quote }}
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ $name }}
{{- end }}
{{- end -}}

{{/* The port of an http or https address. */}}
{{- define "dandelion.urlPort" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- $port | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}

{{/* Rules that let the outside in, one for each port, as the values ask. (dict context component port) */}}
{{- define "dandelion.outside" -}}
{{- $context := .context -}}
{{- $values := $context.Values -}}
{{- $host := printf "%sHost" .component -}}
{{- $isApi := eq .component "api" -}}
{{- $gateway := and $values.gateway.enabled (or (index $values.gateway $host) (and $isApi $values.gateway.previewHost)) -}}
{{- $ingress := and $values.ingress.enabled (index $values.ingress $host) -}}
{{- $type := (index $values .component).service.type -}}
{{- include "dandelion.outside.rule" (dict "context" $context "port" .port "type" $type "routed" (or $gateway $ingress)) }}
{{- if and $isApi $values.api.grpc.enabled }}
{{- $routed := and $values.gateway.enabled $values.gateway.grpcHost -}}
{{- include "dandelion.outside.rule" (dict "context" $context "port" $values.api.grpc.port "type" $type "routed" $routed) }}
{{- end }}
{{- end -}}

{{/* (dict context port type routed) */}}
{{- define "dandelion.outside.rule" -}}
{{- $from := .context.Values.networkPolicy.ingressFrom -}}
{{- $isClusterIP := eq .type "ClusterIP" -}}
{{- if or .routed $from (not $isClusterIP) }}
- ports:
    - {protocol: TCP, port: {{ .port | int }}}
  {{- if $from }}
  from: {{- toYaml $from | nindent 4 }}
  {{- else if $isClusterIP }}
  from:
    - namespaceSelector: {}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What a component may take. (dict context component port sources) */}}
{{- define "dandelion.ingress" -}}
{{- $context := .context -}}
{{- $component := .component -}}
{{- $port := .port | int -}}
{{- with .sources }}
- ports:
    - {protocol: TCP, port: {{ $port }}}
  from:
    {{- range . }}
    - podSelector:
        matchLabels: {{- include "dandelion.policySelector" (dict "context" $context "component" .) | nindent 10 }}
    {{- end }}
{{- end }}
{{- if has $component (list "api" "ui") }}
{{- include "dandelion.outside" (dict "context" $context "component" $component "port" $port) }}
{{- end }}
{{- $scraped := list "api" "minio" "mlflow" "prefect-server" -}}
{{- if and (eq $component "mysql") $context.Values.mysql.metrics.enabled }}{{ $scraped = append $scraped "mysql" }}{{ end }}
{{- $watching := include "dandelion.monitoring.namespaces" $context | fromJsonArray -}}
{{- if and $watching (has $component $scraped) }}
- ports:
    - {protocol: TCP, port: {{ ternary 9104 $port (eq $component "mysql") }}}
  from:
    {{- include "dandelion.monitoring.peers" (dict "namespaces" $watching "name" "prometheus") | nindent 4 }}
    {{- if eq $component "api" }}
    {{- include "dandelion.monitoring.peers" (dict "namespaces" $watching "name" "alertmanager") | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* What a component may send, beside names. (dict context component edges targets) */}}
{{- define "dandelion.egress" -}}
{{- $context := .context -}}
{{- $component := .component -}}
{{- $map := .map -}}
{{- range .targets }}
- ports:
    - {protocol: TCP, port: {{ index $map.components . | int }}}
  to:
    - podSelector:
        matchLabels: {{- include "dandelion.policySelector" (dict "context" $context "component" .) | nindent 10 }}
{{- end }}
{{- with include "dandelion.edges.external" (dict "context" $context "component" $component) | fromJsonArray }}
- ports:
    {{- range . }}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
  to:
    {{- range $context.Values.networkPolicy.externalCidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
{{- end }}
{{- if and (include "dandelion.objects.hasIdentity" $context) (include "dandelion.edges.usesObjects" (dict "context" $context "component" $component)) }}
# The agent of EKS Pod Identity, on each node.
- ports:
    - {protocol: TCP, port: 80}
  to:
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: "fd00:ec2::23/128"}
{{- end }}
{{- if eq $component "prefect-worker" }}
- ports:
    - {protocol: TCP, port: 443}
    - {protocol: TCP, port: 6443}
  to:
    {{- range $context.Values.networkPolicy.kubernetesApiCidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
{{- end }}
{{- $watching := include "dandelion.monitoring.namespaces" $context | fromJsonArray -}}
{{- if and $watching (eq $component "flow-run") }}
- ports:
    - {protocol: TCP, port: 9090}
  to:
    {{- include "dandelion.monitoring.peers" (dict "namespaces" $watching "name" "prometheus") | nindent 4 }}
{{- end }}
{{- end -}}
