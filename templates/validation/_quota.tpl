{{- define "dandelion.validation.quota" -}}
{{- with .Values.quota }}
{{- if .enabled }}
{{- $needed := include "dandelion.quota.needed" $ | fromJson }}
{{- $most := "" }}
{{- if and $.Values.api.enabled $.Values.api.autoscaling.enabled }}{{ $most = printf ", while the autoscaler makes %d pods of the API" (int $.Values.api.autoscaling.maxReplicas) }}{{ end }}
{{- $given := dict "cpu" (include "dandelion.milli" .cpu) "memory" (include "dandelion.mebi" .memory) "storage" (include "dandelion.mebi" .storage) "pods" .pods }}
{{- range $what, $unit := dict "cpu" "m" "memory" "Mi" "storage" "Mi" "pods" "" }}
{{- if lt (index $given $what | int) (index $needed $what | int) }}
quota.{{ $what }} is {{ index $.Values.quota $what }} and {{ index $needed $what | int }}{{ $unit }} are needed during a rollout with its Jobs and a flow run{{ $most }}: set quota.{{ $what }} to that or more{{ if $most }}, or lower api.autoscaling.maxReplicas{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
