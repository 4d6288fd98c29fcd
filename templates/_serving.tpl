{{/*
Whether the Services for all traffic lead to the canary's pods, too, which then serve as large a share as they are of all
pods. At weight 0 they serve none. Where a Gateway splits the traffic they get nothing beside it: the page and other programs
of the cluster call the Service, and would go past the weights. (empty means no)
*/}}
{{- define "dandelion.serving.sharesPods" -}}
{{- $canary := .Values.api.release.canary -}}
{{- if and (eq .Values.api.release.strategy "canary") (gt (int $canary.weight) 0) (not (include "dandelion.serving.isSplit" .)) -}}
true
{{- end -}}
{{- end -}}

{{/* Whether a Gateway splits the traffic; validation refuses one that splits gRPC alone. (empty means no) */}}
{{- define "dandelion.serving.isSplit" -}}
{{- if and .Values.gateway.enabled .Values.gateway.apiHost }}true{{ end -}}
{{- end -}}

{{/* The pods for all traffic. */}}
{{- define "dandelion.serving.selector" -}}
{{- $api := .Subcharts.api -}}
{{- if include "dandelion.serving.sharesPods" . -}}
{{ include "dandelion.selector" (dict "context" $api "component" "api") }}
{{- else -}}
{{ include "dandelion-api.trackSelector" (dict "context" $api "track" (include "dandelion-api.serves" $api)) }}
{{- end -}}
{{- end -}}
