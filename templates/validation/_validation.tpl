{{/*
Fails for values of a wrong format, then for values that contradict each other, and says what to set: one sentence a line of
`dandelion.validation.PART`. values.schema.json checks types, unknown keys and ranges before.
*/}}
{{- define "dandelion.validate" -}}
{{- with include "dandelion.validation.formats" . | splitList "\n" | compact -}}
{{- fail (printf "\n\nThese values are not what they should be:\n- %s\n" (join "\n- " .)) -}}
{{- end -}}
{{- $wrong := list -}}
{{- range $part := list "external" "access" "api" "ui" "release" "routes" "surroundings" "backups" "schedules" "volumes" "quota" "gitops" -}}
{{- $wrong = concat $wrong (include (printf "dandelion.validation.%s" $part) $ | splitList "\n" | compact) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nThe values contradict each other:\n- %s\n" (join "\n- " $wrong)) -}}
{{- end -}}
{{- if .Values.api.enabled -}}
{{- with include "dandelion.steps.first" . -}}
{{- fail (printf "\n\nThis step comes too early:\n- %s (docs/releases.md)\n" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
