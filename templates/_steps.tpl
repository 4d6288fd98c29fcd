{{/*
Returns what to do first if a step of a release would send requests to a track without pods; else nothing. It needs a
cluster: `helm template` finds no pods. Every step that it advises is always possible.
*/}}
{{- define "dandelion.steps.first" -}}
{{- $release := .Values.api.release -}}
{{- $slot := $release.blueGreen.activeSlot -}}
{{- $runs := dict -}}
{{- range $track := list "stable" "canary" "blue" "green" -}}
{{- $name := include "dandelion-api.trackName" (dict "context" $ "track" $track) -}}
{{- if lookup "apps/v1" "Deployment" $.Release.Namespace $name -}}{{- $_ := set $runs $track true -}}{{- end -}}
{{- end -}}
{{- if eq $release.strategy "blue-green" -}}
{{- if and (omit $runs "canary" $slot) (not (hasKey $runs $slot)) -}}
{{- if eq $slot "stable" -}}
{{- printf "api.release.blueGreen.activeSlot is stable, and no pod of that track runs yet: set api.release.blueGreen.stableReplicas=%d for one step, and do not change activeSlot" (int .Values.api.autoscaling.minReplicas) -}}
{{- else -}}
{{- printf "api.release.blueGreen.activeSlot is %s, and no pod of that slot runs yet: for one step, leave it at the slot in service (stable, after another strategy)" $slot -}}
{{- end -}}
{{- end -}}
{{- else if and (or (hasKey $runs "blue") (hasKey $runs "green")) (not (hasKey $runs "stable")) -}}
{{- printf "api.release.strategy is %s, and no pod of the stable track runs yet: do not change blue-green yet: set api.release.blueGreen.stableReplicas=%d for one step, and activeSlot=stable for one more" $release.strategy (int .Values.api.autoscaling.minReplicas) -}}
{{- else if and (eq $release.strategy "canary") .Values.gateway.enabled (gt (int $release.canary.weight) 0) (hasKey $runs "stable") (not (hasKey $runs "canary")) -}}
{{- printf "api.release.canary.weight is %d, and no pod of the canary runs yet: set it to 0 for one step" (int $release.canary.weight) -}}
{{- end -}}
{{- end -}}
