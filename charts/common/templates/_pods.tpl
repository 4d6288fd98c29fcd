{{/* What every pod of ours has. */}}

{{/*
What every pod begins with: no token, no environment of other Services, nobody's root. `uid` is our images' user, unless
given; `account` the component whose ServiceAccount it uses, if any. What the values add comes with `dandelion.workload`.
(dict context account uid token)
*/}}
{{- define "dandelion.pod" -}}
{{- $uid := .uid | default (include "dandelion.uid" .) -}}
{{- $values := .context.Values -}}
{{- with .account }}
serviceAccountName: {{ include "dandelion.serviceAccountName" (dict "context" $.context "component" .) }}
{{- end }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
{{- with $values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "string" . }}{{ . }}{{ else }}{{ .name }}{{ end }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $uid }}
  runAsGroup: {{ $uid }}
  fsGroup: {{ $uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "dandelion.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Our images' user. */}}
{{- define "dandelion.uid" -}}10001{{- end -}}

{{/* What all programs of ours share. */}}
{{- define "dandelion.common.env" -}}
- name: DANDELION_HOME
  value: /data
- name: DANDELION_LOG__FORMAT
  value: json
- name: DANDELION_LOG__LEVEL
  value: {{ .Values.global.logLevel }}
{{- end -}}

{{/* Folders that a read-only container of ours writes to. (dict context size) */}}
{{- define "dandelion.volumes" -}}
- name: data
  emptyDir:
    sizeLimit: {{ .size }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- with include "dandelion.database.caSecret" .context }}
- name: database-ca
  secret:
    secretName: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end -}}

{{- define "dandelion.mounts" -}}
- name: data
  mountPath: /data
- name: tmp
  mountPath: /tmp
{{- if include "dandelion.database.caSecret" . }}
- name: database-ca
  mountPath: /etc/dandelion/database
  readOnly: true
{{- end }}
{{- end -}}

{{/* What Jobs and test pods of the API's image need to reach every part, with the API's own rights. */}}
{{- define "dandelion.parts.env" -}}
{{ include "dandelion.common.env" . }}
{{ include "dandelion.database.env" . }}
{{ include "dandelion.objects.env" (dict "context" . "account" "api") }}
{{ include "dandelion.mlflow.env" . }}
{{- end -}}
