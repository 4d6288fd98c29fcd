{{/*
Returns what to do first if a step of a release is too early; else nothing. One rule for all strategies: a track that will get
requests has as many ready pods as the one that serves now (a canary, one), and the track that served stays for one more step,
since `helm rollback` leads all requests back to it without rendering anything. Where nothing serves, nothing is refused. It
needs a cluster: `helm template` finds no pods. Every step that it advises is always possible.
*/}}
{{- define "dandelion.steps.first" -}}
{{- $release := .Values.api.release -}}
{{- $slots := $release.blueGreen -}}
{{- $ready := dict -}}
{{- range $track := list "stable" "canary" "blue" "green" -}}
{{- $name := include "dandelion-api.trackName" (dict "context" $ "track" $track) -}}
{{- $deployment := include "dandelion.lookup" (dict "context" $ "apiVersion" "apps/v1" "kind" "Deployment" "name" $name) | fromJson -}}
{{- $_ := set $ready $track (dig "status" "readyReplicas" 0 $deployment | int) -}}
{{- end -}}
{{- $service := include "dandelion.lookup" (dict "context" . "apiVersion" "v1" "kind" "Service" "name" (printf "%s-api" (include "dandelion.name" .))) | fromJson -}}
{{- $from := dig "spec" "selector" "dandelion/track" "stable" $service -}}
{{- $to := $slots.activeSlot | default "stable" -}}
{{- $serving := index $ready $from | default 0 -}}
{{- $serve := printf "and %d of %s serve now" $serving $from -}}
{{- if and (ne $from $to) $serving -}}
{{- if ne $release.strategy "blue-green" -}}
{{- printf "api.release.strategy is %s, %s: do not change blue-green yet; for one step set api.release.blueGreen.stableReplicas=%d, and for one more api.release.blueGreen.activeSlot=stable" $release.strategy $serve $serving -}}
{{- else if lt (index $ready $to) $serving -}}
{{- printf "api.release.blueGreen.activeSlot is %s with %d ready pods, %s: for one step set api.release.blueGreen.%s=%d with activeSlot=%s, and wait until they are ready; if %s fails its users, `helm rollback` goes back at once and refuses nothing" $to (index $ready $to) $serve (ternary "stableReplicas" "idleReplicas" (eq $to "stable")) $serving $from $from -}}
{{- else if and (eq $from "stable") (lt (int $slots.stableReplicas) $serving) -}}
{{- printf "api.release.blueGreen.activeSlot is %s, %s, to which `helm rollback` would go back: set api.release.blueGreen.stableReplicas=%d in this step, and 0 in the next" $to $serve $serving -}}
{{- end -}}
{{- else if and $serving (eq $release.strategy "canary") (gt (int $release.canary.weight) 0) (include "dandelion.serving.isSplit" .) (not $ready.canary) -}}
{{- printf "api.release.canary.weight is %d, and no pod of the canary is ready: set it to 0 for one step, and wait until one is" (int $release.canary.weight) -}}
{{- end -}}
{{- end -}}
