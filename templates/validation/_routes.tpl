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
{{- if and .previewHost $.Values.api.enabled (ne $strategy "blue-green") }}
gateway.previewHost is {{ .previewHost | quote }} and only blue-green releases have a slot to preview: leave it empty
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
