{{/*
Fails for values that contradict each other, and says what to set: one sentence a line of `dandelion.validation.PART`.
values.schema.json checks types, unknown keys and ranges before.
*/}}
{{- define "dandelion.validate" -}}
{{- $wrong := list -}}
{{- range $part := list "external" "access" "api" "release" "routes" "backups" "schedules" "quota" -}}
{{- $wrong = concat $wrong (include (printf "dandelion.validation.%s" $part) $ | splitList "\n" | compact) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nThe values contradict each other:\n- %s\n" (join "\n- " $wrong)) -}}
{{- end -}}
{{- if .Values.api.enabled -}}
{{- with include "dandelion.steps.first" . -}}
{{- fail (printf "\n\nRequests would go to pods that do not exist yet:\n- %s (docs/releases.md)\n" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
