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
