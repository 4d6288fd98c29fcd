{{- define "dandelion.validation.routes" -}}
{{- $strategy := dig "release" "strategy" "rolling" .Values.api }}
{{- $values := .Values }}
{{- range $kind := list "ingress" "gateway" }}
{{- $way := index $values $kind }}
{{- if and $way.enabled $way.apiHost (eq $way.apiHost $way.uiHost) (not $values.global.path) }}
{{ $kind }}.apiHost and {{ $kind }}.uiHost are both {{ $way.apiHost | quote }}: set global.path, such as /dandelion, with the API at /dandelion/api, or give each a host of its own
{{- end }}
{{- end }}
{{- if and $values.ui.enabled (gt (int $values.ui.replicas) 1) (not $values.ui.stickyProxy) }}
{{- if and $values.ingress.enabled $values.ingress.uiHost (not $values.ingress.nginx) }}
ui.replicas is {{ int $values.ui.replicas }} behind an Ingress, and each visitor's session lives in one pod: set ingress.nginx=true for ingress-nginx, ui.stickyProxy=true if your annotations set cookies for this, or ui.replicas=1
{{- end }}
{{- if and $values.gateway.enabled $values.gateway.uiHost (not $values.gateway.sessionPersistence) }}
ui.replicas is {{ int $values.ui.replicas }} behind a Gateway, and each visitor's session lives in one pod: set gateway.sessionPersistence=true if your Gateway supports it (experimental channel of Gateway API), ui.stickyProxy=true if it has other means, or ui.replicas=1
{{- end }}
{{- end }}
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
{{- if not (or .apiHost .uiHost .grpcHost) }}
gateway.enabled is true: set gateway.apiHost, gateway.uiHost or gateway.grpcHost
{{- end }}
{{- if and .grpcHost (not (dig "grpc" "enabled" false $.Values.api)) }}
gateway.grpcHost is {{ .grpcHost | quote }}: set api.grpc.enabled=true, or leave it empty
{{- end }}
{{- if and .grpcHost (dig "grpc" "tls" "secret" "" $.Values.api) }}
gateway.grpcHost is {{ .grpcHost | quote }} and api.grpc.tls.secret {{ $.Values.api.grpc.tls.secret | quote }}: leave api.grpc.tls.secret empty, since the Gateway ends TLS (gateway.tlsSecret) and speaks plain HTTP/2 to pods, or leave gateway.grpcHost empty
{{- end }}
{{- if and .grpcHost (has .grpcHost (list .apiHost .uiHost .previewHost)) }}
gateway.grpcHost is {{ .grpcHost | quote }}, as is another host: give gRPC a host of its own, since a Gateway accepts either HTTPRoutes or GRPCRoutes for one
{{- end }}
{{- if and .grpcHost (not .apiHost) (gt (int (dig "release" "canary" "weight" 0 $.Values.api)) 0) }}
gateway.grpcHost is {{ .grpcHost | quote }} and gateway.apiHost empty, so the canary would get its share of gRPC and none of HTTP: set gateway.apiHost, too, or api.release.canary.weight=0
{{- end }}
{{- if and .previewHost (has .previewHost (list .apiHost .uiHost)) }}
gateway.previewHost is {{ .previewHost | quote }}, as is another host: give the idle slot a host of its own
{{- end }}
{{- if and .previewHost $.Values.api.enabled (ne $strategy "blue-green") }}
gateway.previewHost is {{ .previewHost | quote }} and only blue-green releases have a slot to preview: leave it empty
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
