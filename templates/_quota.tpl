{{/*
What the release needs at once: every pod that stays, one more of each that is replaced while the old one still answers,
the Jobs of an upgrade, a flow run, a backup, and what kube-prometheus-stack takes. As JSON: cpu (thousandths), memory
and storage (MiB), pods.
*/}}
{{- define "dandelion.quota.needed" -}}
{{- $pods := list -}}
{{- if .Values.api.enabled -}}
{{- $api := .Values.api -}}
{{- $few := ternary $api.autoscaling.minReplicas $api.replicas $api.autoscaling.enabled | int -}}
{{- $tracks := dict "rolling" (list $few) "canary" (list $few (int $api.release.canary.replicas)) "blue-green" (list $few (int $api.release.blueGreen.idleReplicas)) -}}
{{- range index $tracks $api.release.strategy -}}
{{- $pods = append $pods (dict "count" (add . 1) "requests" $api.resources.requests) -}}
{{- end -}}
{{- $pods = append $pods (dict "count" 1 "requests" $api.setupResources.requests) -}}
{{- end -}}
{{- if .Values.ui.enabled -}}
{{- $pods = append $pods (dict "count" (add (int .Values.ui.replicas) 1) "requests" .Values.ui.resources.requests) -}}
{{- end -}}
{{- if .Values.mlflow.enabled -}}
{{- $pods = append $pods (dict "count" 1 "requests" .Values.mlflow.resources.requests) -}}
{{- end -}}
{{- if .Values.mysql.enabled -}}
{{- $pods = append $pods (dict "count" 1 "requests" .Values.mysql.resources.requests) -}}
{{- if .Values.mysql.metrics.enabled -}}{{- $pods = append $pods (dict "count" 0 "beside" true "requests" .Values.mysql.metrics.resources.requests) -}}{{- end -}}
{{- if .Values.mysql.binlogs.every -}}{{- $pods = append $pods (dict "count" 0 "beside" true "requests" .Values.mysql.binlogs.resources.requests) -}}{{- end -}}
{{- $pods = append $pods (dict "count" 1 "requests" .Values.mysql.jobResources.requests) -}}
{{- end -}}
{{- if .Values.minio.enabled -}}
{{- $pods = concat $pods (list (dict "count" 1 "requests" .Values.minio.resources.requests) (dict "count" 1 "requests" .Values.minio.setup.resources.requests)) -}}
{{- end -}}
{{- if .Values.prefect.enabled -}}
{{- if .Values.prefect.server.enabled -}}
{{- $pods = append $pods (dict "count" 1 "requests" .Values.prefect.server.resources.requests) -}}
{{- end -}}
{{- $pods = concat $pods (list (dict "count" 1 "requests" .Values.prefect.worker.resources.requests) (dict "count" 1 "requests" .Values.prefect.worker.deployResources.requests) (dict "count" (int .Values.prefect.worker.concurrency) "requests" .Values.prefect.flowRun.resources.requests)) -}}
{{- end -}}
{{- if .Values.backups.enabled -}}
{{- $pods = append $pods (dict "count" 1 "requests" .Values.backups.resources.requests) -}}
{{- end -}}
{{- $cpu := 0 -}}{{- $memory := 0 -}}{{- $count := 0 -}}
{{- range $pods -}}
{{- $times := ternary 1 (int .count) (hasKey . "beside") -}}
{{- $cpu = add $cpu (mul $times (include "dandelion.milli" .requests.cpu | int)) -}}
{{- $memory = add $memory (mul $times (include "dandelion.mebi" .requests.memory | int)) -}}
{{- $count = add $count (int .count) -}}
{{- end -}}
{{- $storage := 0 -}}
{{- if .Values.mysql.enabled -}}{{- $storage = add $storage (include "dandelion.mebi" .Values.mysql.persistence.size | int) -}}{{- end -}}
{{- if .Values.minio.enabled -}}{{- $storage = add $storage (include "dandelion.mebi" .Values.minio.persistence.size | int) -}}{{- end -}}
{{- if and .Values.prefect.enabled .Values.prefect.server.enabled (not .Values.prefect.server.database.existingSecret) -}}
{{- $storage = add $storage (include "dandelion.mebi" .Values.prefect.server.persistence.size | int) -}}
{{- end -}}
{{- if index .Values "kube-prometheus-stack" "enabled" -}}
{{- $reserved := .Values.quota.reserved -}}
{{- $cpu = add $cpu (include "dandelion.milli" $reserved.cpu | int) -}}
{{- $memory = add $memory (include "dandelion.mebi" $reserved.memory | int) -}}
{{- $storage = add $storage (include "dandelion.mebi" $reserved.storage | int) -}}
{{- $count = add $count (int $reserved.pods) -}}
{{- end -}}
{{- dict "cpu" $cpu "memory" $memory "storage" $storage "pods" $count | toJson -}}
{{- end -}}
