{{/*
What the release needs at once, added up from its own manifests: every pod that stays, one more of each that is replaced
while the old one still answers, the Jobs of an upgrade, flow runs, a backup, and what kube-prometheus-stack takes. `helm test`
comes when the Jobs have ended. As JSON: cpu (thousandths), memory and storage (MiB), pods.
*/}}
{{- define "dandelion.quota.needed" -}}
{{- $cpu := 0 -}}{{- $memory := 0 -}}{{- $storage := 0 -}}{{- $pods := 0 -}}
{{- range include "dandelion.quota.manifests" . | fromJsonArray -}}
{{- $spec := .spec -}}
{{- $count := ternary 0 1 (eq .kind "PersistentVolumeClaim") -}}
{{- if eq .kind "Deployment" -}}
{{- /* An autoscaler sets the replicas that are missing. */ -}}
{{- $replicas := $spec.replicas -}}
{{- if not (hasKey $spec "replicas") -}}{{- $replicas = $.Values.api.autoscaling.minReplicas -}}{{- end -}}
{{- $count = add $replicas (ternary 1 0 (eq $spec.strategy.type "RollingUpdate")) -}}
{{- else if eq .kind "Job" -}}
{{- $count = $spec.parallelism | default 1 -}}
{{- end -}}
{{- $pods = add $pods $count -}}
{{- /* Init containers of ours never ask for more. */ -}}
{{- range dig "template" "spec" "containers" list $spec -}}
{{- $cpu = add $cpu (mul $count (include "dandelion.milli" .resources.requests.cpu)) -}}
{{- $memory = add $memory (mul $count (include "dandelion.mebi" .resources.requests.memory)) -}}
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

{{/* All manifests that lead to pods or volumes, as a JSON list. tests/chart/test_quota.py finds one that is missing here. */}}
{{- define "dandelion.quota.manifests" -}}
{{- $found := list -}}
{{- range $part, $files := dict
      "api" (list "deployment" "job-setup")
      "ui" (list "deployment")
      "mlflow" (list "deployment")
      "mysql" (list "statefulset" "job-accounts")
      "minio" (list "statefulset" "job-setup")
      "prefect" (list "server/deployment" "server/persistentvolumeclaim" "worker/deployment" "worker/job-deployments" "worker/configmap") -}}
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
{{- with include (printf "%s/backup/job-restore.yaml" .Template.BasePath) . | fromYaml -}}
{{- $found = append $found . -}}
{{- end -}}
{{- if .Values.backups.enabled -}}
{{- /* The two CronJobs take turns, and ask for the same. */ -}}
{{- $container := dict "resources" .Values.backups.resources -}}
{{- $found = append $found (dict "kind" "Job" "spec" (dict "template" (dict "spec" (dict "containers" (list $container))))) -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}
