{{/* The image of a track with this tag: the digest is that of the stable track's tag alone. (dict context tag) */}}
{{- define "dandelion-api.trackImage" -}}
{{- $image := deepCopy .context.Values.image -}}
{{- $digest := ternary $image.digest "" (eq .tag $image.tag) -}}
{{- include "dandelion.ownImage" (dict "context" .context "part" "api" "image" (mergeOverwrite $image (dict "tag" .tag "digest" $digest))) -}}
{{- end -}}

{{/*
Every image that pods of a track run, each once, that of the track in service first: the image of another may be missing, and
holds up only itself. Tables are migrated by all of them in turn, and one that is older than the tables leaves them alone: so
it is the newest that counts. (JSON)
*/}}
{{- define "dandelion-api.images" -}}
{{- $tracks := include "dandelion-api.tracks" . | fromJson -}}
{{- $images := list (include "dandelion-api.trackImage" (dict "context" . "tag" (dig (include "dandelion-api.serves" .) "tag" .Values.image.tag $tracks))) -}}
{{- range $tracks -}}
{{- if .pods -}}{{- $images = append $images (include "dandelion-api.trackImage" (dict "context" $ "tag" .tag)) -}}{{- end -}}
{{- end -}}
{{- $images | uniq | toJson -}}
{{- end -}}
