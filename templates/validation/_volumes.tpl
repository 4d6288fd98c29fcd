{{/*
What Kubernetes does not change of volumes: compares the values with the cluster, so that an upgrade fails before it changes
anything, and says how to go on. `helm template` finds no volumes.
*/}}
{{- define "dandelion.validation.volumes" -}}
{{- range $part := list "mysql" "minio" }}
{{- with index $.Subcharts $part }}
{{- $set := include (printf "%s/charts/%s/templates/statefulset.yaml" (dir $.Template.BasePath) $part) . | fromYaml }}
{{- $name := $set.metadata.name }}
{{- $wanted := include "dandelion.volumes.template" $set | fromJson }}
{{- $sentence := "" }}
{{- if $wanted }}
{{- $sentence = include "dandelion.volumes.claim" (dict "context" $ "key" (printf "%s.persistence" $part) "name" (printf "data-%s-0" $name) "wanted" $wanted "grows" false) }}
{{- end }}
{{- with include "dandelion.lookup" (dict "context" $ "apiVersion" "apps/v1" "kind" "StatefulSet" "name" $name) | fromJson }}
{{- if and (not $sentence) (ne (include "dandelion.volumes.key" $wanted) (include "dandelion.volumes.key" (include "dandelion.volumes.template" . | fromJson))) }}
{{- $sentence = printf "%s.persistence changes the volume of the StatefulSet %s, which Kubernetes does not: run `kubectl -n %s delete statefulset %s --cascade=orphan`, which leaves its pod and its volume, and upgrade again" $part $name $.Release.Namespace $name }}
{{- end }}
{{- end }}
{{ $sentence }}
{{- end }}
{{- end }}
{{- with index .Subcharts "prefect" }}
{{- $claim := include (printf "%s/charts/prefect/templates/server/persistentvolumeclaim.yaml" (dir $.Template.BasePath)) . | fromYaml }}
{{- if $claim }}
{{ include "dandelion.volumes.claim" (dict "context" $ "key" "prefect.server.persistence" "name" $claim.metadata.name "wanted" $claim.spec "grows" true) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The spec of the one volume that a StatefulSet makes, as JSON; `{}` if it makes none. */}}
{{- define "dandelion.volumes.template" -}}
{{- $found := dict -}}
{{- range .spec.volumeClaimTemplates -}}{{- $found = .spec -}}{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* What must be equal of two of them. An API server adds the rest. */}}
{{- define "dandelion.volumes.key" -}}
{{- if . -}}
{{- printf "%s %s %v" (include "dandelion.mebi" .resources.requests.storage) (.storageClassName | default "") .accessModes -}}
{{- end -}}
{{- end -}}

{{/*
A sentence if a claim of the cluster is not what the values want of it; else nothing. `grows` means that Helm changes its
size. (dict context key name wanted grows)
*/}}
{{- define "dandelion.volumes.claim" -}}
{{- $claim := include "dandelion.lookup" (dict "context" .context "apiVersion" "v1" "kind" "PersistentVolumeClaim" "name" .name) | fromJson -}}
{{- with $claim.spec -}}
{{- $size := $.wanted.resources.requests.storage -}}
{{- $held := .resources.requests.storage -}}
{{- $class := $.wanted.storageClassName | default .storageClassName -}}
{{- if ne $class .storageClassName -}}
{{- printf "%s asks for the storage class %s, and the volume %s has %s, which Kubernetes does not change: set it back, or move the data by a backup and a restore into a new release" $.key $class $.name .storageClassName -}}
{{- else if lt (include "dandelion.mebi" $size | int) (include "dandelion.mebi" $held | int) -}}
{{- printf "%s.size is %s and the volume %s has %s: set it to %s or more, since volumes do not shrink" $.key $size $.name $held $held -}}
{{- else if and (not $.grows) (gt (include "dandelion.mebi" $size | int) (include "dandelion.mebi" $held | int)) -}}
{{- $patch := dict "spec" (dict "resources" (dict "requests" (dict "storage" $size))) | toJson -}}
{{- printf "%s.size is %s and the volume %s has %s: let it grow with `kubectl -n %s patch pvc %s --type=merge -p '%s'`, if its storage class allows that, and upgrade again" $.key $size $.name $held $.context.Release.Namespace $.name $patch -}}
{{- end -}}
{{- end -}}
{{- end -}}
