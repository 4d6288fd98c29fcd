{{/* Families of addresses: IPv4, IPv6, or both. */}}

{{/* Of a Service: what the values say, else what the cluster does by itself. */}}
{{- define "dandelion.ipFamilies" -}}
{{- with .Values.global.ipFamilyPolicy -}}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.global.ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end -}}

{{/* Of the Service of a program that listens on addresses of one family alone: the first. */}}
{{- define "dandelion.ipFamilies.first" -}}
{{- with .Values.global.ipFamilies -}}
ipFamilyPolicy: SingleStack
ipFamilies: {{ list (first .) | toJson }}
{{- end }}
{{- end -}}

{{/* Where programs listen: all addresses of IPv4, or, where Services may have IPv6, of both families. */}}
{{- define "dandelion.listen" -}}
{{- $isIpv4 := and (not (has "IPv6" .Values.global.ipFamilies)) (has .Values.global.ipFamilyPolicy (list "" "SingleStack")) -}}
{{- ternary "0.0.0.0" "::" $isIpv4 -}}
{{- end -}}

{{/* Where a program listens to which `::` means addresses of IPv6 alone. */}}
{{- define "dandelion.listen.first" -}}
{{- ternary "::" "0.0.0.0" (eq (first .Values.global.ipFamilies | toString) "IPv6") -}}
{{- end -}}
