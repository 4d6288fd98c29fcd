{{- define "dandelion.validation.routes" -}}
{{- $strategy := dig "release" "strategy" "rolling" .Values.api }}
{{- with .Values.ingress }}
{{- if and .enabled (not (or .apiHost .uiHost)) }}
ingress.enabled is true: set ingress.apiHost or ingress.uiHost
{{- end }}
{{- if and .enabled .apiHost (eq $strategy "canary") }}
an Ingress cannot split traffic: use gateway.enabled for a canary, or api.release.strategy=rolling
{{- end }}
{{- end }}
{{- with .Values.gateway }}
{{- if .enabled }}
{{- if and (not .create) (not .parentRefs) }}
gateway.enabled is true: name your Gateway in gateway.parentRefs, or set gateway.create=true and gateway.className
{{- end }}
{{- if and .create (not .className) }}
gateway.create is true: set gateway.className to a GatewayClass of your cluster
{{- end }}
{{- if not (or .apiHost .uiHost) }}
gateway.enabled is true: set gateway.apiHost or gateway.uiHost
{{- end }}
{{- if and .previewHost $.Values.api.enabled (ne $strategy "blue-green") }}
gateway.previewHost is {{ .previewHost | quote }} and only blue-green releases have a slot to preview: leave it empty
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
