{{/* How the outside finds the API and the page: hosts, paths, and one rule of an HTTPRoute. */}}

{{/* Where a part is published: `global.path` is the page's, and the API is below it. (dict context part) */}}
{{- define "dandelion.path" -}}
{{- with .context.Values.global.path -}}
{{- ternary (printf "%s/api" .) . (eq $.part "api") -}}
{{- else -}}
/
{{- end -}}
{{- end -}}

{{/*
The rules of an HTTPRoute of a part: those of the values, then one that leads to `backends`. The path is not removed, since
that is no core feature of Gateway API; the programs know it. (dict context part backends)
*/}}
{{- define "dandelion.routeRules" -}}
{{- $route := index .context.Values.gateway (printf "%sRoute" .part) -}}
{{- with $route.extraRules }}
{{ toYaml . }}
{{- end }}
- matches:
    - path:
        type: PathPrefix
        value: {{ include "dandelion.path" . }}
  {{- with $route.filters }}
  filters: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $route.timeouts }}
  timeouts: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and (eq .part "ui") .context.Values.gateway.sessionPersistence }}
  sessionPersistence:
    sessionName: dandelion-page
    type: Cookie
  {{- end }}
  backendRefs: {{- .backends | nindent 4 }}
{{- end -}}

{{/*
Annotations of a part's Ingress; those of the values win. Uploads may be as large as the API accepts them, and a mebibyte
more, so that the API itself refuses a body that is a little too large, and says why. (dict context part)
*/}}
{{- define "dandelion.ingress.annotations" -}}
{{- $values := .context.Values -}}
{{- $annotations := dict -}}
{{- if $values.ingress.nginx -}}
{{- $prefix := "nginx.ingress.kubernetes.io" -}}
{{- $bytes := index ($values.api.settings | default dict) "DANDELION_API__MAX_UPLOAD_BYTES" | default 33554432 -}}
{{- $_ := set $annotations (printf "%s/proxy-body-size" $prefix) (printf "%dm" (add 1 (divf (int64 $bytes) 1048576 | ceil | int64))) -}}
{{- if eq .part "ui" -}}
{{- range $key, $value := dict "affinity" "cookie" "affinity-mode" "persistent" "session-cookie-name" "dandelion-page" -}}
{{- $_ := set $annotations (printf "%s/%s" $prefix $key) $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (merge (deepCopy $values.ingress.annotations) $annotations) -}}
{{- end -}}

{{/* The Ingress of a part, where its host is given. (dict context part port) */}}
{{- define "dandelion.ingress.part" -}}
{{- $ingress := .context.Values.ingress -}}
{{- $host := index $ingress (printf "%sHost" .part) -}}
{{- $name := printf "%s-%s" (include "dandelion.name" .context) .part -}}
{{- if and $ingress.enabled $host (index .context.Values .part).enabled -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  labels: {{- include "dandelion.labels" (dict "context" .context "component" .part) | nindent 4 }}
  annotations: {{- include "dandelion.ingress.annotations" . | nindent 4 }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with index $ingress (printf "%sTlsSecret" .part) }}
  tls:
    - secretName: {{ . }}
      hosts: [{{ $host | quote }}]
  {{- end }}
  rules:
    - host: {{ $host | quote }}
      http:
        paths:
          - path: {{ include "dandelion.path" . }}
            pathType: Prefix
            backend:
              service:
                name: {{ $name }}
                port:
                  number: {{ .port }}
{{- end -}}
{{- end -}}
