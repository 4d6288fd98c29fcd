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
The tracks or slots that run, by name: image tag, model, number of pods, and whether an autoscaler changes that number, for
which it is then the minimum. One list for Deployments, autoscalers, budgets and Services, so that they cannot disagree.

An autoscaler has every track but the canary, also a slot that is idle: its Deployment never names `replicas`, so that a flip
neither takes the number away nor quarrels with the autoscaler about it. A canary has a fixed number, for its share.

While a slot is idle, its autoscaler sees no load. It would act on that at the moment of a flip, so a slot that serves keeps
the minimum that it had when it was idle.
*/}}
{{- define "dandelion-api.tracks" -}}
{{- $release := .Values.release -}}
{{- $scaled := .Values.autoscaling.enabled -}}
{{- $pods := ternary .Values.autoscaling.minReplicas .Values.replicas $scaled -}}
{{- $stable := dict "tag" .Values.image.tag "ref" .Values.model.ref "pods" $pods "scaled" $scaled -}}
{{- $tracks := dict -}}
{{- if eq $release.strategy "blue-green" -}}
{{- range $slot := list "blue" "green" -}}
{{- $is := index $release.blueGreen $slot -}}
{{- $idle := $release.blueGreen.idleReplicas -}}
{{- $active := ternary (max (int $pods) (int $idle)) $pods $scaled -}}
{{- $_ := set $tracks $slot (dict "tag" ($is.tag | default $.Values.image.tag) "ref" $is.ref "pods" (ternary $active $idle (eq $slot $release.blueGreen.activeSlot)) "scaled" $scaled) -}}
{{- end -}}
{{- if eq $release.blueGreen.activeSlot "stable" -}}
{{- $_ := set $tracks "stable" (set $stable "pods" (ternary (max (int $pods) (int $release.blueGreen.stableReplicas)) $pods $scaled)) -}}
{{- else if $release.blueGreen.stableReplicas -}}
{{- $_ := set $tracks "stable" (set $stable "pods" $release.blueGreen.stableReplicas) -}}
{{- end -}}
{{- else -}}
{{- $_ := set $tracks "stable" $stable -}}
{{- if eq $release.strategy "canary" -}}
{{- $_ := set $tracks "canary" (dict "tag" ($release.canary.tag | default .Values.image.tag) "ref" $release.canary.ref "pods" $release.canary.replicas "scaled" false) -}}
{{- end -}}
{{- end -}}
{{- toJson $tracks -}}
{{- end -}}

{{/* The track or slot that serves; with a canary, the one that serves the rest. */}}
{{- define "dandelion-api.serves" -}}
{{- .Values.release.blueGreen.activeSlot | default "stable" -}}
{{- end -}}

{{/* The stable track keeps the plain name, so that coming from a rolling release moves nothing. (list context track) */}}
{{- define "dandelion-api.trackName" -}}
{{- $name := include "dandelion-api.name" .context -}}
{{- ternary $name (printf "%s-%s" $name .track) (eq .track "stable") -}}
{{- end -}}

{{/* How fast an autoscaler adds and removes pods. */}}
{{- define "dandelion-api.behavior" -}}
{{- if .Values.autoscaling.behavior -}}
{{- toYaml .Values.autoscaling.behavior -}}
{{- else -}}
# Load comes at once and a pod is ready in seconds: double if need be; go back slowly.
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - type: Percent
      value: 100
      periodSeconds: 15
    - type: Pods
      value: 2
      periodSeconds: 15
  selectPolicy: Max
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownSeconds }}
  policies:
    - type: Pods
      value: 1
      periodSeconds: 60
  selectPolicy: Max
{{- end -}}
{{- end -}}

{{- define "dandelion-api.trackSelector" -}}
{{ include "dandelion.selector" (dict "context" .context "component" "api") }}
dandelion/track: {{ .track }}
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
