{{- define "dandelion-api.name" -}}
{{ include "dandelion.name" . }}-api
{{- end -}}

{{/* What a model reference becomes: a version, or an alias. (model reference) */}}
{{- define "dandelion-api.model.env" -}}
{{- if regexMatch "^[0-9]+$" . -}}
- name: DANDELION_MODEL__VERSION
  value: {{ . | quote }}
{{- else -}}
- name: DANDELION_MODEL__ALIAS
  value: {{ . | quote }}
{{- end -}}
{{- end -}}

{{/*
The tracks or slots that run, by name: image tag, model, whether it serves and follows the load, else how many pods.
One list for Deployments, autoscalers, budgets and Services, so that they cannot disagree.
*/}}
{{- define "dandelion-api.tracks" -}}
{{- $release := .Values.release -}}
{{- $stable := dict "tag" .Values.image.tag "ref" .Values.model.ref "serves" true -}}
{{- $tracks := dict -}}
{{- if eq $release.strategy "blue-green" -}}
{{- range $slot := list "blue" "green" -}}
{{- $is := index $release.blueGreen $slot -}}
{{- $_ := set $tracks $slot (dict "tag" ($is.tag | default $.Values.image.tag) "ref" $is.ref "serves" (eq $slot $release.blueGreen.activeSlot) "replicas" $release.blueGreen.idleReplicas) -}}
{{- end -}}
{{- if eq $release.blueGreen.activeSlot "stable" -}}
{{- $_ := set $tracks "stable" $stable -}}
{{- else if $release.blueGreen.stableReplicas -}}
{{- $_ := set $tracks "stable" (set (set $stable "serves" false) "replicas" $release.blueGreen.stableReplicas) -}}
{{- end -}}
{{- else -}}
{{- $_ := set $tracks "stable" $stable -}}
{{- if eq $release.strategy "canary" -}}
{{- $_ := set $tracks "canary" (dict "tag" ($release.canary.tag | default .Values.image.tag) "ref" $release.canary.ref "serves" false "replicas" $release.canary.replicas) -}}
{{- end -}}
{{- end -}}
{{- toJson $tracks -}}
{{- end -}}

{{/* The stable track keeps the plain name, so that coming from a rolling release moves nothing. (list context track) */}}
{{- define "dandelion-api.trackName" -}}
{{- $name := include "dandelion-api.name" .context -}}
{{- ternary $name (printf "%s-%s" $name .track) (eq .track "stable") -}}
{{- end -}}

{{- define "dandelion-api.trackSelector" -}}
{{ include "dandelion.selector" (dict "context" .context "component" "api") }}
dandelion/track: {{ .track }}
{{- end -}}

{{/* Pods for all traffic: every track, or the slot that serves. */}}
{{- define "dandelion-api.servingSelector" -}}
{{- if eq .Values.release.strategy "blue-green" -}}
{{ include "dandelion-api.trackSelector" (dict "context" . "track" .Values.release.blueGreen.activeSlot) }}
{{- else -}}
{{ include "dandelion.selector" (dict "context" . "component" "api") }}
{{- end -}}
{{- end -}}

{{/*
The port of a Service; gateways and meshes learn from it that only HTTP/2 is spoken there, or TLS, which our Gateway's
routes never lead to: validation refuses it.
*/}}
{{- define "dandelion-api.grpcPort" -}}
- name: grpc
  port: {{ .Values.grpc.port }}
  targetPort: grpc
  appProtocol: {{ ternary "https" "kubernetes.io/h2c" (ne .Values.grpc.tls.secret "") }}
{{- end -}}

{{- define "dandelion-api.grpc.env" -}}
- name: DANDELION_GRPC__PORT
  value: {{ .Values.grpc.port | quote }}
- name: DANDELION_GRPC__REFLECTION
  value: {{ .Values.grpc.reflection | quote }}
{{- with .Values.grpc.maxMessageMb }}
- name: DANDELION_GRPC__MAX_MESSAGE_MB
  value: {{ . | quote }}
{{- end }}
{{- if .Values.grpc.tls.secret }}
- name: DANDELION_GRPC__TLS_CERTIFICATE
  value: /etc/dandelion/grpc/tls.crt
- name: DANDELION_GRPC__TLS_KEY
  value: /etc/dandelion/grpc/tls.key
{{- end }}
{{- with .Values.grpc.tls.clientCaKey }}
- name: DANDELION_GRPC__TLS_CLIENT_CA
  value: /etc/dandelion/grpc/{{ . }}
{{- end }}
{{- end -}}

{{/* A share of the spool's size in bytes, as the server wants it. (list context percent) */}}
{{- define "dandelion-api.spoolBytes" -}}
{{- $mebi := include "dandelion.mebi" .context.Values.spool.size | int64 -}}
{{- div (mul $mebi .percent 1048576) 100 -}}
{{- end -}}

{{- define "dandelion-api.access.env" -}}
{{ include "dandelion.access.env" . }}
{{- with .Values.access.anonymousScopes }}
- name: DANDELION_ACCESS__ANONYMOUS_SCOPES
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.global.access.jwksUrl }}
- name: DANDELION_ACCESS__JWKS_URL
  value: {{ . | quote }}
{{- end }}
- name: DANDELION_ACCESS__REQUESTS_PER_KEY
  value: {{ .Values.access.requestsPerKey | quote }}
- name: DANDELION_ACCESS__REQUESTS_PER_ADDRESS
  value: {{ .Values.access.requestsPerAddress | quote }}
{{- with .Values.access.trustedProxies }}
- name: DANDELION_API__TRUSTED_PROXIES
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.access.corsOrigins }}
- name: DANDELION_API__CORS_ORIGINS
  value: {{ toJson . | quote }}
{{- end }}
{{- end -}}
