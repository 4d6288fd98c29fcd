{{- define "dandelion.validation.surroundings" -}}
{{- with .Values.global.caBundle }}
{{- if and .configMap .secret }}
global.caBundle.configMap is {{ .configMap | quote }} and global.caBundle.secret {{ .secret | quote }}: name one of them
{{- end }}
{{- end }}
{{- with .Values.global }}
{{- $isDual := has .ipFamilyPolicy (list "PreferDualStack" "RequireDualStack") }}
{{- if and (gt (len .ipFamilies) 1) (not $isDual) }}
global.ipFamilies names two families and global.ipFamilyPolicy is {{ .ipFamilyPolicy | quote }}: set global.ipFamilyPolicy=PreferDualStack or RequireDualStack, or name one family
{{- end }}
{{- if and $isDual (not .ipFamilies) }}
global.ipFamilyPolicy is {{ .ipFamilyPolicy }} and global.ipFamilies empty: name the families there, that of the pods' first address first, since Prefect has that one alone
{{- end }}
{{- end }}
{{- with .Values.global.proxy }}
{{- if and .exceptions (not (or .http .https)) }}
global.proxy.exceptions names hosts and there is no proxy: set global.proxy.https, too
{{- end }}
{{- range $scheme := list "http" "https" }}
{{- if contains "@" (index $ "Values" "global" "proxy" $scheme | default "") }}
global.proxy.{{ $scheme }} has an account, which everybody could read who may list pods: put it into a Secret with the keys username and password, and name that in global.proxy.existingSecret
{{- end }}
{{- end }}
{{- if and .existingSecret (not (or .http .https)) }}
global.proxy.existingSecret is {{ .existingSecret }} and there is no proxy: set global.proxy.https, too
{{- end }}
{{- end }}
{{- range $i, $manifest := .Values.extraManifests }}
{{- if not (and $manifest.apiVersion $manifest.kind ($manifest.metadata | default dict).name) }}
extraManifests[{{ $i }}] is no object of Kubernetes: give it apiVersion, kind and metadata.name
{{- end }}
{{- end }}
{{- end -}}
