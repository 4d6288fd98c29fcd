{{/*
Fails for values that contradict each other, and says what to set. values.schema.json checks types, unknown keys and ranges
before.
*/}}
{{- define "dandelion.validate" -}}
{{- $ := . -}}
{{- $global := .Values.global -}}
{{- $wrong := list -}}

{{- if and (not .Values.mysql.enabled) (not $global.externalDatabase.host) -}}
{{- $wrong = append $wrong "mysql.enabled is false: name a database in global.externalDatabase.host" -}}
{{- end -}}
{{- if and .Values.mysql.enabled $global.externalDatabase.host -}}
{{- $wrong = append $wrong (printf "global.externalDatabase.host is %q: set mysql.enabled=false, or leave the host out" $global.externalDatabase.host) -}}
{{- end -}}
{{- if and $global.externalDatabase.host (not $global.externalDatabase.existingSecret) -}}
{{- $wrong = append $wrong "global.externalDatabase.host is set: name the Secret with its passwords in global.externalDatabase.existingSecret" -}}
{{- end -}}

{{- if and (not .Values.minio.enabled) (not $global.externalS3.url) -}}
{{- $wrong = append $wrong "minio.enabled is false: name an S3 server in global.externalS3.url" -}}
{{- end -}}
{{- if and .Values.minio.enabled $global.externalS3.url -}}
{{- $wrong = append $wrong (printf "global.externalS3.url is %q: set minio.enabled=false, or leave the URL out" $global.externalS3.url) -}}
{{- end -}}
{{- if and $global.externalS3.url (not $global.externalS3.existingSecret) -}}
{{- $wrong = append $wrong "global.externalS3.url is set: name the Secret with its keys in global.externalS3.existingSecret" -}}
{{- end -}}

{{- if and (not .Values.mlflow.enabled) (not $global.externalMlflow.url) -}}
{{- $wrong = append $wrong "mlflow.enabled is false: name a tracking server in global.externalMlflow.url" -}}
{{- end -}}
{{- if and .Values.mlflow.enabled $global.externalMlflow.url -}}
{{- $wrong = append $wrong (printf "global.externalMlflow.url is %q: set mlflow.enabled=false, or leave the URL out" $global.externalMlflow.url) -}}
{{- end -}}

{{- if .Values.prefect.enabled -}}
{{- if and (not .Values.prefect.server.enabled) (not $global.externalPrefect.url) -}}
{{- $wrong = append $wrong "prefect.server.enabled is false: name a Prefect server in global.externalPrefect.url, or set prefect.enabled=false" -}}
{{- end -}}
{{- if and .Values.prefect.server.enabled $global.externalPrefect.url -}}
{{- $wrong = append $wrong (printf "global.externalPrefect.url is %q: set prefect.server.enabled=false, or leave the URL out" $global.externalPrefect.url) -}}
{{- end -}}
{{- end -}}

{{- if and $global.access.jwksUrl (not $global.access.jwtAudience) -}}
{{- $wrong = append $wrong "global.access.jwksUrl is set: set global.access.jwtAudience, else the API would accept tokens for other programs" -}}
{{- end -}}

{{- if .Values.api.enabled -}}
{{- $release := .Values.api.release -}}
{{- $scaling := .Values.api.autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- $wrong = append $wrong (printf "api.autoscaling.minReplicas is %d and maxReplicas %d: set maxReplicas to %d or more" (int $scaling.minReplicas) (int $scaling.maxReplicas) (int $scaling.minReplicas)) -}}
{{- end -}}
{{- range $name := list "DANDELION_API__HOST" "DANDELION_API__PORT" "DANDELION_API__MONITORING_PORT" -}}
{{- if hasKey $.Values.api.settings $name -}}
{{- $wrong = append $wrong (printf "api.settings.%s is set: remove it, since probes, Services, monitors and policies use port 8000 of all addresses of a pod" $name) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $release.strategy "blue-green") (not $release.blueGreen.activeSlot) -}}
{{- $wrong = append $wrong "api.release.strategy is blue-green: set api.release.blueGreen.activeSlot to blue or green (or to stable, during a change from another strategy)" -}}
{{- end -}}
{{- if and (ne $release.strategy "blue-green") $release.blueGreen.activeSlot -}}
{{- $wrong = append $wrong (printf "api.release.blueGreen.activeSlot is %q and the strategy %s: canary and blue-green exclude each other; set api.release.strategy=blue-green, or leave the slot empty" $release.blueGreen.activeSlot $release.strategy) -}}
{{- end -}}
{{- if and (ne $release.strategy "canary") (gt (int $release.canary.weight) 0) -}}
{{- $wrong = append $wrong (printf "api.release.canary.weight is %d and the strategy %s: canary and blue-green exclude each other; set api.release.strategy=canary, or the weight to 0" (int $release.canary.weight) $release.strategy) -}}
{{- end -}}
{{- if and (eq $release.strategy "canary") (gt (int $release.canary.weight) 0) (eq (int $release.canary.replicas) 0) -}}
{{- $wrong = append $wrong (printf "api.release.canary.weight is %d and the canary has no pods: set api.release.canary.replicas to 1 or more" (int $release.canary.weight)) -}}
{{- end -}}
{{- if and .Values.ingress.enabled .Values.ingress.apiHost (eq $release.strategy "canary") -}}
{{- $wrong = append $wrong "an Ingress cannot split traffic: use gateway.enabled for a canary, or api.release.strategy=rolling" -}}
{{- end -}}
{{- if and .Values.gateway.enabled .Values.gateway.previewHost (ne $release.strategy "blue-green") -}}
{{- $wrong = append $wrong (printf "gateway.previewHost is %q and only blue-green releases have a slot to preview: leave it empty" .Values.gateway.previewHost) -}}
{{- end -}}
{{- $spool := include "dandelion.mebi" .Values.api.spool.size | int -}}
{{- if lt $spool 256 -}}
{{- $wrong = append $wrong (printf "api.spool.size is %s: set it to 256Mi or more, for models and for waiting predictions and photos" .Values.api.spool.size) -}}
{{- end -}}
{{- if le (int .Values.api.drain.graceSeconds) (add (int .Values.api.drain.preStopSeconds) (int .Values.api.drain.seconds) 5 | int) -}}
{{- $wrong = append $wrong (printf "api.drain.graceSeconds is %d: set it to more than preStopSeconds + seconds + 5, or pods are killed during open requests" (int .Values.api.drain.graceSeconds)) -}}
{{- end -}}
{{- end -}}

{{- if .Values.gateway.enabled -}}
{{- if and (not .Values.gateway.create) (not .Values.gateway.parentRefs) -}}
{{- $wrong = append $wrong "gateway.enabled is true: name your Gateway in gateway.parentRefs, or set gateway.create=true and gateway.className" -}}
{{- end -}}
{{- if and .Values.gateway.create (not .Values.gateway.className) -}}
{{- $wrong = append $wrong "gateway.create is true: set gateway.className to a GatewayClass of your cluster" -}}
{{- end -}}
{{- if not (or .Values.gateway.apiHost .Values.gateway.uiHost) -}}
{{- $wrong = append $wrong "gateway.enabled is true: set gateway.apiHost or gateway.uiHost" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not (or .Values.ingress.apiHost .Values.ingress.uiHost)) -}}
{{- $wrong = append $wrong "ingress.enabled is true: set ingress.apiHost or ingress.uiHost" -}}
{{- end -}}

{{- if .Values.backups.enabled -}}
{{- if and (not .Values.mysql.enabled) (not .Values.backups.mirror.url) -}}
{{- $wrong = append $wrong "backups.enabled is true and there is nothing to do: an external database needs a backup of its own, and backups.mirror.url names no second S3 server" -}}
{{- end -}}
{{- if and .Values.backups.mirror.url (not .Values.backups.mirror.existingSecret) -}}
{{- $wrong = append $wrong "backups.mirror.url is set: name the Secret with its keys in backups.mirror.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.backups.restore.enabled (not .Values.mysql.enabled) -}}
{{- $wrong = append $wrong "backups.restore supports only the bundled MySQL: restore an external database with its own tools" -}}
{{- end -}}

{{- if .Values.quota.enabled -}}
{{- $needed := include "dandelion.quota.needed" . | fromJson -}}
{{- $given := dict "cpu" (include "dandelion.milli" .Values.quota.cpu | int) "memory" (include "dandelion.mebi" .Values.quota.memory | int) "storage" (include "dandelion.mebi" .Values.quota.storage | int) "pods" (int .Values.quota.pods) -}}
{{- $units := dict "cpu" "m" "memory" "Mi" "storage" "Mi" "pods" "" -}}
{{- range $what, $given := $given -}}
{{- if lt (int $given) (index $needed $what | int) -}}
{{- $wrong = append $wrong (printf "quota.%s is %v and %d%s are needed during a rollout with its Jobs and a flow run: set quota.%s to that or more" $what (index $.Values.quota $what) (index $needed $what | int) (index $units $what) $what) -}}
{{- end -}}
{{- end -}}
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
