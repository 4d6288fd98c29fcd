{{/* Patterns of addresses: of IPv4, and of IPv6 in each way of writing it (RFC 4291, section 2.2). */}}

{{- define "dandelion.validation.pattern.ipv4" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
{{- printf "((%s\\.){3}%s)" $byte $byte -}}
{{- end -}}

{{- define "dandelion.validation.pattern.ipv6" -}}
{{- $group := "[0-9A-Fa-f]{1,4}" -}}
{{- $four := include "dandelion.validation.pattern.ipv4" . -}}
{{- /* Eight groups, or fewer around one `::`; an address of IPv4 stands for the last two. */ -}}
{{- $ways := list
      (printf "(%s:){7}%s" $group $group) (printf "(%s:){1,7}:" $group) (printf ":(:%s){1,7}" $group) "::"
      (printf "(%s:){6}%s" $group $four) (printf "(%s:){1,5}:%s" $group $four) (printf ":(:%s){0,5}:%s" $group $four) -}}
{{- range $left := untilStep 1 7 1 -}}
{{- $ways = append $ways (printf "(%s:){1,%d}(:%s){1,%d}" $group $left $group (sub 7 $left)) -}}
{{- if lt $left 5 -}}
{{- $ways = append $ways (printf "(%s:){1,%d}(:%s){1,%d}:%s" $group $left $group (sub 5 $left) $four) -}}
{{- end -}}
{{- end -}}
{{- printf "(%s)" (join "|" $ways) -}}
{{- end -}}
