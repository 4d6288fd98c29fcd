{{- define "dandelion-prefect.server" -}}
{{ include "dandelion.name" . }}-prefect-server
{{- end -}}

{{- define "dandelion-prefect.worker" -}}
{{ include "dandelion.name" . }}-prefect-worker
{{- end -}}

{{- define "dandelion-prefect.flowRun" -}}
{{ include "dandelion.name" . }}-flow-run
{{- end -}}
