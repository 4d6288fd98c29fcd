{{/*
alerts/rules.yaml for this release alone: the matcher that takes everything, which every selector has, names what is its own,
and so do the labels of every alert. Else a second release in the cluster would fire for this one, and an alert on series
that are missing would have no namespace, by which Alertmanager finds whom to notify. The namespace is known, whether or not
an API runs in it. What watches a part that is off is left out.
*/}}
{{- define "dandelion.alerts.rules" -}}
{{- $plain := .Files.Get "alerts/rules.yaml" -}}
{{- if not $plain }}{{ fail "the chart contains no alerts/rules.yaml: package it again with it" }}{{ end -}}
{{- $name := include "dandelion.name" . -}}
{{- $namespace := printf "namespace=%q" .Release.Namespace -}}
{{- $parts := include "dandelion.alerts.parts" . -}}
{{- $any := ".*" -}}
{{- range $everything, $own := dict
      (printf "dandelion_build_info{release=~%q}" $any) (printf "label_replace(vector(1), %q, %q, %q, %q)" "namespace" .Release.Namespace "" "")
      (printf "exported_namespace=~%q" $any) ""
      (printf "job=~%q" "dandelion.*") (include "dandelion.alerts.probes" .)
      (printf "release=~%q" $any) (printf "%s, release=%q" $namespace $name)
      (printf "pod=~%q" $any) (printf "%s, pod=~%q" $namespace $parts)
      (printf "persistentvolumeclaim=~%q" $any) (printf "%s, persistentvolumeclaim=~%q" $namespace (include "dandelion.alerts.claims" .))
      (printf "cronjob=~%q" ".*-backup-.*") (printf "%s, cronjob=~%q" $namespace (printf "%s-backup-.*" $name)) -}}
{{- $plain = replace $everything $own $plain -}}
{{- end -}}
{{- $off := include "dandelion.alerts.off" . | splitList " " -}}
{{- $groups := list -}}
{{- range $group := (fromYaml $plain).groups }}
{{- $rules := list -}}
{{- range $group.rules }}
{{- if not (or (has $group.name $off) (has .alert $off)) }}
{{- if .alert }}{{ $_ := set . "labels" (merge (dict "namespace" $.Release.Namespace "release" $name) .labels) }}{{ end }}
{{- $rules = append $rules . }}
{{- end }}
{{- end }}
{{- with $rules }}{{ $groups = append $groups (dict "name" $group.name "rules" .) }}{{ end }}
{{- end -}}
{{- dict "groups" $groups | toYaml -}}
{{- end -}}

{{/* Groups and alerts of parts that are off: they would fire for ever, or never. */}}
{{- define "dandelion.alerts.off" -}}
{{- $off := list -}}
{{- if not .Values.api.enabled -}}
{{- $off = concat $off (list "dandelion.recorded" "dandelion.service" "dandelion.model" "dandelion.journal") -}}
{{- end -}}
{{- /* The API reports what flows did. */ -}}
{{- if not (and .Values.api.enabled .Values.prefect.enabled) }}{{ $off = append $off "RetrainingFailed" | concat (list "RetrainingOverdue") }}{{ end -}}
{{- if not (or .Values.backups.enabled .Values.prefect.enabled) }}{{ $off = append $off "BackupTooOld" }}{{ end -}}
{{- if not .Values.mysql.enabled }}{{ $off = append $off "DatabaseDown" }}{{ end -}}
{{- join " " $off -}}
{{- end -}}

{{/*
Matches the probes of this release's certificates: those of the hosts that it publishes, whatever namespace the exporter is in.
Without any, those of its namespace that are named for us.
*/}}
{{- define "dandelion.alerts.probes" -}}
{{- $hosts := list -}}
{{- range list .Values.ingress .Values.gateway -}}
{{- if .enabled }}{{ $hosts = concat $hosts (list (get . "apiHost") (get . "uiHost") (get . "previewHost") (get . "grpcHost")) }}{{ end -}}
{{- end -}}
{{- with $hosts | compact | uniq | sortAlpha | join "|" -}}
instance=~"(https?://)?({{ . | replace "." "[.]" | replace "*" "[^./:]+" }})([:/].*)?"
{{- else -}}
namespace={{ $.Release.Namespace | quote }}, job=~"dandelion.*"
{{- end -}}
{{- end -}}

{{/* The Prometheus that scrapes this release: yours, or the bundled stack's; empty where there is none. */}}
{{- define "dandelion.monitoring.prometheusUrl" -}}
{{- $stack := include "dandelion.stack" . | fromJson -}}
{{- if .Values.global.monitoring.prometheusUrl -}}
{{- .Values.global.monitoring.prometheusUrl -}}
{{- else if and .Values.global.monitoring.enabled $stack.enabled (dig "prometheus" "enabled" true $stack) -}}
{{- $port := dig "prometheus" "service" "port" 9090 $stack | int -}}
{{- $prefix := dig "prometheus" "prometheusSpec" "routePrefix" "" $stack | trimSuffix "/" -}}
{{- $namespace := $stack.namespaceOverride | default .Release.Namespace -}}
{{- printf "http://%s-prometheus.%s.svc:%d%s" (include "dandelion.monitoring.stack" .) $namespace $port $prefix -}}
{{- end -}}
{{- end -}}

{{/* Before the names of the bundled stack's objects, as its `kube-prometheus-stack.fullname` has it: cut after 26. */}}
{{- define "dandelion.monitoring.stack" -}}
{{- $stack := include "dandelion.stack" . | fromJson -}}
{{- $name := $stack.nameOverride | default "kube-prometheus-stack" -}}
{{- $full := $stack.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) -}}
{{- $full | trunc 26 | trimSuffix "-" -}}
{{- end -}}

{{/* The Service of the bundled Grafana, as its `grafana.fullname` has it. */}}
{{- define "dandelion.monitoring.grafana" -}}
{{- $grafana := (include "dandelion.stack" . | fromJson).grafana | default dict -}}
{{- $name := $grafana.nameOverride | default "grafana" -}}
{{- $full := $grafana.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) -}}
{{- $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Matches the names of this release's pods, and of no other release whose name begins alike. */}}
{{- define "dandelion.alerts.parts" -}}
{{ include "dandelion.name" . }}-(api|backup|flows|minio|mlflow|mysql|prefect|restore|ui)-.*
{{- end -}}

{{/* Matches the names of its claims: those that it makes, and those of yours that it uses. */}}
{{- define "dandelion.alerts.claims" -}}
{{- $claims := list (printf "(data-)?%s" (include "dandelion.alerts.parts" .)) -}}
{{- range list
      (dig "spool" "existingClaim" "" .Values.api)
      (dig "persistence" "existingClaim" "" .Values.mysql)
      (dig "persistence" "existingClaim" "" .Values.minio)
      (dig "server" "persistence" "existingClaim" "" .Values.prefect) -}}
{{- with . }}{{ $claims = append $claims . }}{{ end -}}
{{- end -}}
{{- join "|" $claims -}}
{{- end -}}

{{/* How every receiver words an alert: Alertmanager's own templates, which Helm must not read. */}}
{{- define "dandelion.alerts.title" -}}
{{ "{{ .CommonLabels.alertname }}" }}: {{ "{{ .CommonAnnotations.summary }}" }}
{{- end -}}

{{- define "dandelion.alerts.text" -}}
{{ "{{ range .Alerts }}{{ .Annotations.description }} {{ .Annotations.runbook_url }}{{ \"\\n\" }}{{ end }}" }}
{{- end -}}

{{/* Slack and e-mail, for those whose Secret is named. */}}
{{- define "dandelion.alerts.people" -}}
{{- $alerts := .Values.alerts }}
{{- with $alerts.slack.secret }}
slackConfigs:
  - apiURL: {name: {{ . }}, key: url}
    channel: {{ $alerts.slack.channel | quote }}
    sendResolved: true
    title: {{ include "dandelion.alerts.title" $ | quote }}
    text: {{ include "dandelion.alerts.text" $ | quote }}
{{- end }}
{{- with $alerts.email.secret }}
emailConfigs:
  - to: {{ $alerts.email.to | quote }}
    from: {{ $alerts.email.from | quote }}
    smarthost: {{ $alerts.email.smarthost | quote }}
    authUsername: {{ $alerts.email.username | quote }}
    authPassword: {name: {{ . }}, key: password}
    sendResolved: true
    headers:
      - {key: Subject, value: {{ include "dandelion.alerts.title" $ | quote }}}
    text: {{ include "dandelion.alerts.text" $ | quote }}
{{- end }}
{{- end -}}

{{/* A route in the operator's words. (route of a plain Alertmanager) */}}
{{- define "dandelion.alerts.route" -}}
receiver: {{ .receiver | quote }}
{{- with .group_by }}
groupBy: {{ toJson . }}
{{- end }}
{{- range $theirs, $ours := dict "group_wait" "groupWait" "group_interval" "groupInterval" "repeat_interval" "repeatInterval" }}
{{- with index $ $theirs }}
{{ $ours }}: {{ . }}
{{- end }}
{{- end }}
{{- if .continue }}
continue: true
{{- end }}
{{- with .matchers }}
matchers: {{- include "dandelion.alerts.matchers" . | trim | nindent 2 }}
{{- end }}
{{- end -}}

{{/* `name="value"` and `name=~"value"` in the operator's words. (dict of plain matchers) */}}
{{- define "dandelion.alerts.matchers" -}}
{{- range . }}
- name: {{ regexFind "^[a-z_]+" . }}
  matchType: {{ regexFind "[=!~]+" . | quote }}
  value: {{ regexReplaceAll "^[^\"]*\"(.*)\"$" . "${1}" | quote }}
{{- end }}
{{- end -}}
