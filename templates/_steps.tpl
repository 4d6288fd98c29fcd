{{/*
What to do first, where a step of a release would send requests to a track of which no pod runs yet; else nothing. Helm
must see the cluster: `helm template` finds nothing that runs. Whatever is advised here can always be done.
*/}}
{{- define "dandelion.steps.first" -}}
{{- $release := .Values.api.release -}}
{{- $slot := $release.blueGreen.activeSlot -}}
{{- $runs := dict -}}
{{- range $track := list "stable" "canary" "blue" "green" -}}
{{- $name := include "dandelion-api.trackName" (list $ $track) -}}
{{- if lookup "apps/v1" "Deployment" $.Release.Namespace $name -}}{{- $_ := set $runs $track true -}}{{- end -}}
{{- end -}}
{{- if eq $release.strategy "blue-green" -}}
{{- if and (omit $runs "canary" $slot) (not (hasKey $runs $slot)) -}}
{{- if eq $slot "stable" -}}
{{- printf "api.release.blueGreen.activeSlot is stable, and no pod of that track runs yet: set api.release.blueGreen.stableReplicas=%d for one step, and leave activeSlot at the slot that serves" (int .Values.api.autoscaling.minReplicas) -}}
{{- else -}}
{{- printf "api.release.blueGreen.activeSlot is %s, of which no pod runs yet: leave it for one step at what serves now, which is stable after another strategy" $slot -}}
{{- end -}}
{{- end -}}
{{- else if and (or (hasKey $runs "blue") (hasKey $runs "green")) (not (hasKey $runs "stable")) -}}
{{- printf "api.release.strategy is %s, and no pod of the stable track runs yet: stay with blue-green and set api.release.blueGreen.stableReplicas=%d for one step, and activeSlot=stable for one more" $release.strategy (int .Values.api.autoscaling.minReplicas) -}}
{{- else if and (eq $release.strategy "canary") .Values.gateway.enabled (gt (int $release.canary.weight) 0) (hasKey $runs "stable") (not (hasKey $runs "canary")) -}}
{{- printf "api.release.canary.weight is %d, and no pod of the canary runs yet: set it to 0 for one step" (int $release.canary.weight) -}}
{{- end -}}
{{- end -}}
