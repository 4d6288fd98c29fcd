{{/* What the values add to every pod: one place for all parts, so that no template repeats it. */}}

{{/*
A manifest with the pod's knobs of its part (`values.pod`) and of the release (`global.pod`), `values.probes`,
`values.updateStrategy` and `values.terminationGracePeriodSeconds`. Kinds: Deployment, StatefulSet, Job, CronJob, Pod.
(dict context values manifest)
*/}}
{{- define "dandelion.workload" -}}
{{- $values := .values -}}
{{- $manifest := fromYaml .manifest -}}
{{- if not $manifest.kind -}}{{- fail (printf "not a manifest: %s\n%s" $manifest.Error .manifest) -}}{{- end -}}
{{- $template := $manifest -}}
{{- if eq $manifest.kind "CronJob" -}}
{{- $template = $manifest.spec.jobTemplate.spec.template -}}
{{- else if ne $manifest.kind "Pod" -}}
{{- $template = $manifest.spec.template -}}
{{- end -}}
{{- $claims := list -}}
{{- range $manifest.spec.volumeClaimTemplates -}}{{- $claims = append $claims .metadata.name -}}{{- end -}}
{{- include "dandelion.workload.pod" (dict "context" .context "values" $values "template" $template "claims" $claims) -}}
{{- $key := index (dict "Deployment" "strategy" "StatefulSet" "updateStrategy") $manifest.kind -}}
{{- $given := $values.updateStrategy | default dict -}}
{{- if and $key (or $given.type $given.rollingUpdate) -}}
{{- $strategy := dict "type" ($given.type | default "RollingUpdate") -}}
{{- $held := ternary (index $manifest.spec $key | default dict) dict (eq $strategy.type "RollingUpdate") -}}
{{- with mergeOverwrite ($held.rollingUpdate | default dict) ($given.rollingUpdate | default dict) -}}
{{- $_ := set $strategy "rollingUpdate" . -}}
{{- end -}}
{{- $_ := set $manifest.spec $key $strategy -}}
{{- end -}}
{{- toYaml $manifest -}}
{{- end -}}

{{/* The same for the spec of a Job alone, whose name depends on it. (dict context values spec) */}}
{{- define "dandelion.workload.job" -}}
{{- $spec := fromYaml .spec -}}
{{- if not $spec.template -}}{{- fail (printf "not the spec of a Job: %s\n%s" $spec.Error .spec) -}}{{- end -}}
{{- include "dandelion.workload.pod" (dict "context" .context "values" .values "template" $spec.template "claims" list) -}}
{{- toYaml $spec -}}
{{- end -}}

{{/* Changes a pod's template in place; `claims` are names of volumes that come from elsewhere. (dict context values template claims) */}}
{{- define "dandelion.workload.pod" -}}
{{- $template := .template -}}
{{- $spec := $template.spec -}}
{{- $knobs := include "dandelion.knobs" (dict "context" .context "values" .values) | fromJson -}}
{{- $component := index $template.metadata.labels "app.kubernetes.io/component" -}}
{{- with $knobs.labels -}}{{- $_ := set $template.metadata "labels" (mergeOverwrite (deepCopy .) $template.metadata.labels) -}}{{- end -}}
{{- with $knobs.annotations -}}
{{- $_ := set $template.metadata "annotations" (mergeOverwrite (deepCopy .) ($template.metadata.annotations | default dict)) -}}
{{- end -}}
{{- with .context.Values.global.secretsRevision -}}
{{- $_ := set $template.metadata "annotations" (mergeOverwrite ($template.metadata.annotations | default dict) (dict "dandelion/secrets-revision" .)) -}}
{{- end -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "hostAliases" "dnsPolicy" "dnsConfig" -}}
{{- with index $knobs $key -}}{{- $_ := set $spec $key . -}}{{- end -}}
{{- end -}}
{{- with .values.terminationGracePeriodSeconds -}}{{- $_ := set $spec "terminationGracePeriodSeconds" (int .) -}}{{- end -}}
{{- with $knobs.topologySpreadConstraints -}}
{{- $selector := dict "matchLabels" (include "dandelion.selector" (dict "context" $.context "component" $component) | fromYaml) -}}
{{- $spread := list -}}
{{- range . -}}{{- $spread = append $spread (hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" $selector) .)) -}}{{- end -}}
{{- $_ := set $spec "topologySpreadConstraints" $spread -}}
{{- end -}}
{{- if .context.Values.global.openshift -}}
{{- $_ := set $spec "securityContext" (omit $spec.securityContext "runAsUser" "runAsGroup" "fsGroup") -}}
{{- end -}}
{{- $_ := set $spec "securityContext" (mergeOverwrite $spec.securityContext ($knobs.securityContext | default dict)) -}}
{{- with .values.probes -}}{{- include "dandelion.workload.probes" (dict "container" (first $spec.containers) "probes" . "component" $component) -}}{{- end -}}
{{- range concat ($spec.initContainers | default list) $spec.containers -}}
{{- include "dandelion.workload.container" (dict "context" $.context "container" . "knobs" $knobs) -}}
{{- end -}}
{{- $before := list -}}
{{- range $knobs.sidecars -}}{{- $before = append $before (set . "restartPolicy" "Always") -}}{{- end -}}
{{- $before = concat $before ($knobs.initContainers | default list) -}}
{{- range $before -}}
{{- $_ := set . "securityContext" (mergeOverwrite (include "dandelion.container" $ | fromYaml) (.securityContext | default dict)) -}}
{{- end -}}
{{- with $before -}}{{- $_ := set $spec "initContainers" (concat . ($spec.initContainers | default list)) -}}{{- end -}}
{{- $ours := concat ($spec.volumes | default list) (include "dandelion.caBundle.volumes" .context | fromYamlArray) -}}
{{- include "dandelion.workload.check" (dict "component" $component "knobs" $knobs "spec" $spec "ours" $ours "claims" .claims) -}}
{{- with concat $ours ($knobs.volumes | default list) -}}{{- $_ := set $spec "volumes" . -}}{{- end -}}
{{- end -}}

{{/* Fails where Kubernetes would refuse the finished pod, or run another than was meant. (dict component knobs spec ours claims) */}}
{{- define "dandelion.workload.check" -}}
{{- $component := .component -}}
{{- $known := .claims -}}
{{- range .ours -}}{{- $known = append $known .name -}}{{- end -}}
{{- range .knobs.volumes -}}
{{- if has .name $known -}}
{{- fail (printf "pod.volumes has a volume %s, a name that the chart uses in pods of %s: give yours another name" .name $component) -}}
{{- end -}}
{{- end -}}
{{- range .knobs.volumes -}}{{- $known = append $known .name -}}{{- end -}}
{{- range .knobs.volumeMounts -}}
{{- if not (has .name $known) -}}
{{- fail (printf "pod.volumeMounts mounts %s, and pods of %s have no volume of this name: add it to pod.volumes" .name $component) -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range concat (.spec.initContainers | default list) .spec.containers -}}
{{- if has .name $names -}}
{{- fail (printf "two containers of %s are called %s: give those in pod.sidecars and pod.initContainers other names" $component .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if and (eq (.spec.dnsPolicy | default "") "None") (not (.spec.dnsConfig | default dict).nameservers) -}}
{{- fail (printf "pod.dnsPolicy of %s is None and pod.dnsConfig.nameservers is empty: name a DNS server there" $component) -}}
{{- end -}}
{{- end -}}

{{/* Changes a container of ours in place. (dict context container knobs) */}}
{{- define "dandelion.workload.container" -}}
{{- $container := .container -}}
{{- $knobs := .knobs -}}
{{- $surroundings := concat (include "dandelion.proxy.env" .context | fromYamlArray) (include "dandelion.caBundle.env" .context | fromYamlArray) -}}
{{- with concat $surroundings ($container.env | default list) ($knobs.env | default list) -}}
{{- $_ := set $container "env" (include "dandelion.merged" (dict "items" . "field" "name") | fromJsonArray) -}}
{{- end -}}
{{- with concat ($container.envFrom | default list) ($knobs.envFrom | default list) -}}{{- $_ := set $container "envFrom" . -}}{{- end -}}
{{- with concat ($container.volumeMounts | default list) (include "dandelion.caBundle.mounts" .context | fromYamlArray) ($knobs.volumeMounts | default list) -}}
{{- $_ := set $container "volumeMounts" (include "dandelion.merged" (dict "items" . "field" "mountPath") | fromJsonArray) -}}
{{- end -}}
{{- $_ := set $container "securityContext" (mergeOverwrite $container.securityContext ($knobs.containerSecurityContext | default dict)) -}}
{{- end -}}

{{/* A probe of another kind replaces the chart's; else they are merged, so a path or a number is enough. (dict container probes component) */}}
{{- define "dandelion.workload.probes" -}}
{{- $container := .container -}}
{{- $component := .component -}}
{{- range $name, $probe := .probes -}}
{{- $key := printf "%sProbe" $name -}}
{{- $held := index $container $key | default dict -}}
{{- $kinds := list -}}
{{- range $kind := list "exec" "httpGet" "tcpSocket" "grpc" -}}{{- if index $probe $kind -}}{{- $kinds = append $kinds $kind -}}{{- end -}}{{- end -}}
{{- if gt (len $kinds) 1 -}}
{{- fail (printf "probes.%s of %s has %s: leave one of them" $name $component (join " and " $kinds)) -}}
{{- end -}}
{{- range $kind := $kinds -}}{{- $held = pick $held $kind "initialDelaySeconds" "periodSeconds" "timeoutSeconds" "successThreshold" "failureThreshold" "terminationGracePeriodSeconds" -}}{{- end -}}
{{- $_ := set $container $key (mergeOverwrite (deepCopy $held) $probe) -}}
{{- end -}}
{{- end -}}

{{/*
The knobs of a part, as JSON. Maps are merged and the part's keys win; lists are added to those of the release; of texts, the
part's wins, also an empty one. (dict context values)
*/}}
{{- define "dandelion.knobs" -}}
{{- $all := .context.Values.global.pod | default dict -}}
{{- $own := .values.pod | default dict -}}
{{- $knobs := dict -}}
{{- range $key := concat (keys $all) (keys $own) | uniq -}}
{{- $ours := index $all $key -}}
{{- $theirs := index $own $key -}}
{{- if or (kindIs "slice" $ours) (kindIs "slice" $theirs) -}}
{{- $field := index (dict "env" "name" "volumes" "name" "sidecars" "name" "initContainers" "name" "volumeMounts" "mountPath" "hostAliases" "ip") $key | default "" -}}
{{- $_ := set $knobs $key (include "dandelion.merged" (dict "items" (concat ($ours | default list) ($theirs | default list)) "field" $field) | fromJsonArray) -}}
{{- else if or (kindIs "map" $ours) (kindIs "map" $theirs) -}}
{{- $_ := set $knobs $key (mergeOverwrite (deepCopy ($ours | default dict)) (deepCopy ($theirs | default dict))) -}}
{{- else -}}
{{- $_ := set $knobs $key (kindIs "string" $theirs | ternary $theirs $ours) -}}
{{- end -}}
{{- end -}}
{{- $name := "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?" -}}
{{- range $label, $value := $knobs.labels -}}
{{- if not (regexMatch (printf "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?%s$" $name) $label) -}}
{{- fail (printf "pod.labels has %q: a label's name has up to 63 letters, digits, -, _ and ., with a letter or digit at both ends" $label) -}}
{{- end -}}
{{- if not (regexMatch (printf "^(%s)?$" $name) $value) -}}
{{- fail (printf "pod.labels.%s is %q: a label's value has up to 63 letters, digits, -, _ and ., with a letter or digit at both ends" $label $value) -}}
{{- end -}}
{{- if or (hasPrefix "dandelion/" $label) (has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/part-of")) -}}
{{- fail (printf "pod.labels sets %s, by which Services and policies select pods: give your label another name" $label) -}}
{{- end -}}
{{- end -}}
{{- toJson $knobs -}}
{{- end -}}

{{/*
A list as JSON in which entries with the same field are one: the last, in the place of the first. Without a field, those that
are equal. (dict items field)
*/}}
{{- define "dandelion.merged" -}}
{{- $field := .field -}}
{{- $order := list -}}
{{- $last := dict -}}
{{- range .items -}}
{{- $key := toJson . -}}
{{- if $field -}}{{- $key = index . $field | toString -}}{{- end -}}
{{- $order = append $order $key -}}
{{- $_ := set $last $key . -}}
{{- end -}}
{{- $found := list -}}
{{- range uniq $order -}}{{- $found = append $found (index $last .) -}}{{- end -}}
{{- toJson $found -}}
{{- end -}}
