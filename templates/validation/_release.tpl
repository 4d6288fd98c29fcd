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
{{- with .Values.api.release.blueGreen }}
{{- $scaling := $.Values.api.autoscaling }}
{{- if and (eq $strategy "blue-green") $scaling.enabled (lt (int .idleReplicas) 1) }}
api.release.blueGreen.idleReplicas is 0 and autoscaling on: set idleReplicas to 1 or more, since an autoscaler does not start from 0, or api.autoscaling.enabled=false
{{- end }}
{{- if and (eq $strategy "blue-green") $scaling.enabled (gt (max (int .idleReplicas) (int .stableReplicas)) (int $scaling.maxReplicas)) }}
api.release.blueGreen has more idleReplicas or stableReplicas than api.autoscaling.maxReplicas={{ int $scaling.maxReplicas }}: set that to {{ max (int .idleReplicas) (int .stableReplicas) }} or more
{{- end }}
{{- end }}
{{- $weight := int .Values.api.release.canary.weight }}
{{- if and (ne $strategy "canary") $weight }}
api.release.canary.weight is {{ $weight }} and the strategy {{ $strategy }}: canary and blue-green exclude each other; set api.release.strategy=canary, or the weight to 0
{{- else if and $weight (not (int .Values.api.release.canary.replicas)) }}
api.release.canary.weight is {{ $weight }} and the canary has no pods: set api.release.canary.replicas to 1 or more
{{- end }}
{{- end }}
{{- end -}}
