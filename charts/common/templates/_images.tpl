{{/* An image: registry/repository:tag, or @digest where one is given. (dict context image) */}}
{{- define "dandelion.image" -}}
{{- $registry := .context.Values.global.imageRegistry | default .image.registry -}}
{{- $name := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .context.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* One of our own images; `image` is what its part sets of it, if anything. (dict context part image) */}}
{{- define "dandelion.ownImage" -}}
{{- $ours := .context.Values.global.image -}}
{{- $image := .image | default dict -}}
{{- include "dandelion.image" (dict "context" .context "image" (dict
      "registry" $ours.registry
      "repository" ($image.repository | default (printf "%s-%s" $ours.repository .part))
      "tag" ($image.tag | default $ours.tag)
      "digest" $image.digest)) -}}
{{- end -}}
