{{/* Canary and blue-green exclude each other. */}}
{{- define "dandelion.validation.release" -}}
{{- if .Values.api.enabled }}
{{- $strategy := .Values.api.release.strategy }}
{{- $slot := .Values.api.release.blueGreen.activeSlot }}
{{- if and (eq $strategy "blue-green") (not $slot) }}
api.release.strategy is blue-green: set api.release.blueGreen.activeSlot to blue or green (or to stable, during a change from another strategy)
{{- else if and (ne $strategy "blue-green") $slot }}
api.release.blueGreen.activeSlot is {{ $slot | quote }} and the strategy {{ $strategy }}: canary and blue-green exclude each other; set api.release.strategy=blue-green, or leave the slot empty
{{- end }}
{{- $weight := int .Values.api.release.canary.weight }}
{{- if and (ne $strategy "canary") $weight }}
api.release.canary.weight is {{ $weight }} and the strategy {{ $strategy }}: canary and blue-green exclude each other; set api.release.strategy=canary, or the weight to 0
{{- else if and $weight (not (int .Values.api.release.canary.replicas)) }}
api.release.canary.weight is {{ $weight }} and the canary has no pods: set api.release.canary.replicas to 1 or more
{{- end }}
{{- end }}
{{- end -}}
