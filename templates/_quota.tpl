{{/*
What the release needs at once, added up from its own manifests: every pod that stays, as many as an autoscaler may make of it,
those that are added while old ones are replaced, the Jobs of an upgrade, flow runs, a backup, and what kube-prometheus-stack
takes. `helm test` comes when the Jobs have ended. As JSON: cpu (thousandths), memory and storage (MiB), pods.
*/}}
{{- define "dandelion.quota.needed" -}}
{{- $cpu := 0 -}}{{- $memory := 0 -}}{{- $storage := 0 -}}{{- $pods := 0 -}}
{{- range include "dandelion.quota.manifests" . | fromJsonArray -}}
{{- $spec := .spec -}}
{{- $count := ternary 0 1 (eq .kind "PersistentVolumeClaim") -}}
{{- if eq .kind "Deployment" -}}
{{- $replicas := include "dandelion.quota.replicas" (dict "context" $ "manifest" .) | int -}}
{{- $count = add $replicas (include "dandelion.quota.surge" (dict "strategy" $spec.strategy "replicas" $replicas)) -}}
{{- else if eq .kind "Job" -}}
{{- $count = $spec.parallelism | default 1 -}}
{{- end -}}
{{- $pods = add $pods $count -}}
{{- with dig "template" "spec" dict $spec -}}
{{- $cpu = add $cpu (mul $count (include "dandelion.quota.pod" (dict "context" $ "pod" . "what" "cpu" "number" "dandelion.milli"))) -}}
{{- $memory = add $memory (mul $count (include "dandelion.quota.pod" (dict "context" $ "pod" . "what" "memory" "number" "dandelion.mebi"))) -}}
{{- end -}}
{{- range ternary (list .) ($spec.volumeClaimTemplates | default list) (eq .kind "PersistentVolumeClaim") -}}
{{- $storage = add $storage (include "dandelion.mebi" .spec.resources.requests.storage) -}}
{{- end -}}
{{- end -}}
{{- if index .Values "kube-prometheus-stack" "enabled" -}}
{{- $reserved := .Values.quota.reserved -}}
{{- $cpu = add $cpu (include "dandelion.milli" $reserved.cpu) -}}
{{- $memory = add $memory (include "dandelion.mebi" $reserved.memory) -}}
{{- $storage = add $storage (include "dandelion.mebi" $reserved.storage) -}}
{{- $pods = add $pods $reserved.pods -}}
{{- end -}}
{{- dict "cpu" $cpu "memory" $memory "storage" $storage "pods" $pods | toJson -}}
{{- end -}}

{{/*
What a pod counts for: its containers together, or its largest init container, which runs before them, and in either case its
sidecars, which start first and stay. `number` is the template that makes a number of a quantity. (dict context pod what number)
*/}}
{{- define "dandelion.quota.pod" -}}
{{- $together := 0 -}}{{- $before := 0 -}}{{- $beside := 0 -}}
{{- range .pod.containers -}}
{{- $together = add $together (include "dandelion.quota.request" (dict "context" $.context "container" . "what" $.what) | include $.number) -}}
{{- end -}}
{{- range .pod.initContainers -}}
{{- $asks := include "dandelion.quota.request" (dict "context" $.context "container" . "what" $.what) | include $.number | int64 -}}
{{- if eq (.restartPolicy | default "") "Always" -}}{{- $beside = add $beside $asks -}}{{- else -}}{{- $before = max $before $asks -}}{{- end -}}
{{- end -}}
{{- add $beside (max $together $before) -}}
{{- end -}}

{{/* What a container counts for: its request, else its limit, else what the LimitRange gives it. (dict context container what) */}}
{{- define "dandelion.quota.request" -}}
{{- $resources := .container.resources | default dict -}}
{{- $given := index (.context.Values.limitRange.defaultRequest | default dict) .what | default "0" -}}
{{- dig "requests" .what (dig "limits" .what $given $resources) $resources -}}
{{- end -}}

{{/*
Pods of a Deployment. Of the track or slot in service, an autoscaler makes as many as it may; of an idle one, which has no
load, its minimum. (dict context manifest)
*/}}
{{- define "dandelion.quota.replicas" -}}
{{- if hasKey .manifest.spec "replicas" -}}
{{- int .manifest.spec.replicas -}}
{{- else -}}
{{- $api := .context.Subcharts.api -}}
{{- $track := index .manifest.metadata.labels "dandelion/track" -}}
{{- $pods := (index (include "dandelion-api.tracks" $api | fromJson) $track).pods -}}
{{- ternary $api.Values.autoscaling.maxReplicas $pods (eq $track (include "dandelion-api.serves" $api)) | int -}}
{{- end -}}
{{- end -}}

{{/* Pods that a Deployment adds while it replaces old ones, by number or by share. (dict strategy replicas) */}}
{{- define "dandelion.quota.surge" -}}
{{- if eq (.strategy.type | default "RollingUpdate") "Recreate" -}}
0
{{- else -}}
{{- $surge := dig "rollingUpdate" "maxSurge" "25%" .strategy | toString -}}
{{- if hasSuffix "%" $surge -}}
{{- divf (mul .replicas (trimSuffix "%" $surge | int)) 100 | ceil | int -}}
{{- else -}}
{{- int $surge -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* All manifests that lead to pods or volumes, as a JSON list. tests/chart/test_quota.py finds one that is missing here. */}}
{{- define "dandelion.quota.manifests" -}}
{{- $found := list -}}
{{- range $part, $files := dict
      "api" (list "deployment" "job-setup")
      "ui" (list "deployment")
      "mlflow" (list "deployment")
      "mysql" (list "statefulset" "job-accounts")
      "minio" (list "statefulset")
      "prefect" (list "server/deployment" "server/persistentvolumeclaim" "worker/deployment" "worker/configmap") -}}
{{- with index $.Subcharts $part -}}
{{- range $file := $files -}}
{{- $path := printf "%s/charts/%s/templates/%s.yaml" (dir $.Template.BasePath) $part $file -}}
{{- range regexSplit "(?m)^---$" (include $path (index $.Subcharts $part)) -1 -}}
{{- with $manifest := fromYaml . -}}
{{- if eq .kind "ConfigMap" -}}
{{- /* Prefect's worker makes its Jobs of it, so many at once. */ -}}
{{- $manifest = (get .data "job-template.json" | fromJson).job_configuration.job_manifest -}}
{{- $_ := set $manifest.spec "parallelism" $.Values.prefect.worker.concurrency -}}
{{- end -}}
{{- $found = append $found $manifest -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range list "setup/job-objects" "setup/job-flows" "backup/job-restore" -}}
{{- with include (printf "%s/%s.yaml" $.Template.BasePath .) $ | fromYaml -}}
{{- $found = append $found . -}}
{{- end -}}
{{- end -}}
{{- if .Values.backups.enabled -}}
{{- /* The two CronJobs take turns, and ask for the same. */ -}}
{{- $container := dict "resources" .Values.backups.resources -}}
{{- $found = append $found (dict "kind" "Job" "spec" (dict "template" (dict "spec" (dict "containers" (list $container))))) -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}
