{{- define "dandelion.validation.quota" -}}
{{- with .Values.quota }}
{{- if .enabled }}
{{- $needed := include "dandelion.quota.needed" $ | fromJson }}
{{- $given := dict "cpu" (include "dandelion.milli" .cpu) "memory" (include "dandelion.mebi" .memory) "storage" (include "dandelion.mebi" .storage) "pods" .pods }}
{{- range $what, $unit := dict "cpu" "m" "memory" "Mi" "storage" "Mi" "pods" "" }}
{{- if lt (index $given $what | int) (index $needed $what | int) }}
quota.{{ $what }} is {{ index $.Values.quota $what }} and {{ index $needed $what | int }}{{ $unit }} are needed during a rollout with its Jobs and a flow run: set quota.{{ $what }} to that or more
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
