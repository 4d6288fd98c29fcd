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
