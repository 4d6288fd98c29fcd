{{/*
Quantities, networks, schedules, addresses and names, wherever they stand: the last part of a value's name says what it is. A
schema could only say that a pattern does not match.
*/}}
{{- define "dandelion.validation.formats" -}}
{{- range $part, $value := omit .Values "kube-prometheus-stack" "common" "extraManifests" }}
{{- include "dandelion.validation.formats.walk" (dict "path" $part "name" $part "value" $value) }}
{{- end }}
{{- end -}}

{{/* A value and all below it; maps whose keys are not of this chart are left out. (dict path name value) */}}
{{- define "dandelion.validation.formats.walk" -}}
{{- $path := .path }}
{{- if kindIs "map" .value }}
{{- if not (has .name (list "settings" "labels" "matchLabels" "annotations" "nodeSelector" "affinity" "probes" "dnsConfig" "metadata" "metrics" "triggers" "volumeAttributes" "filters")) }}
{{- /* Helm hands the global values down to every part. */}}
{{- range $name, $value := omit .value "global" }}
{{- include "dandelion.validation.formats.walk" (dict "path" (printf "%s.%s" $path $name) "name" $name "value" $value) }}
{{- end }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- $name := .name }}
{{- if not (has $name (list "metrics" "triggers" "filters")) }}
{{- range $number, $value := .value }}
{{- $path := kindIs "map" $value | ternary (printf "%s[%d]" $path $number) $path }}
{{- include "dandelion.validation.formats.walk" (dict "path" $path "name" $name "value" $value) }}
{{- end }}
{{- end }}
{{- /* Empty texts and zeros have every format, and most values are empty or a switch. */}}
{{- else if and .value (not (kindIs "bool" .value)) }}
{{- $format := include "dandelion.validation.formats.of" . }}
{{- if $format }}
{{- $text := include "dandelion.text" .value }}
{{- with include "dandelion.validation.formats.check" (dict "format" $format "text" $text) }}
{{ $path }} is {{ $text | quote }}: write {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What a value is by its name, or nothing. (dict path name) */}}
{{- define "dandelion.validation.formats.of" -}}
{{- if eq .name "cpu" }}cpu
{{- else if has .name (list "memory" "storage" "size" "workspace" "ephemeral-storage") }}bytes
{{- else if regexMatch "([cC]idrs?|^except)$" .name }}network
{{- else if eq .name "trustedProxies" }}proxy
{{- else if hasSuffix "Schedule" .name }}schedule
{{- else if hasSuffix "Host" .name }}host
{{- else if eq .path "global.externalDatabase.host" }}server
{{- else if eq .name "smarthost" }}mailer
{{- else if regexMatch "(externalS3|mirror)\\.url$" .path }}objects
{{- else if eq .name "jwksUrl" }}keys
{{- else if regexMatch "(^url|Url)$" .name }}url
{{- else if or (regexMatch "(^secret|Secret|ClassName|existingClaim|storageClass)$" .name) (hasPrefix "global.existingSecrets." .path) }}name
{{- end }}
{{- end -}}

{{/* What to write instead, or nothing if the text has the format. (dict format text) */}}
{{- define "dandelion.validation.formats.check" -}}
{{- $number := "([0-9]+(\\.[0-9]*)?|\\.[0-9]+)" -}}
{{- $label := "[a-z0-9]([a-z0-9-]*[a-z0-9])?" -}}
{{- $host := printf "(%s\\.)*%s" $label $label -}}
{{- $port := "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})" -}}
{{- $four := "" -}}
{{- $six := "" -}}
{{- if has .format (list "network" "proxy" "mailer") -}}
{{- $four = include "dandelion.validation.pattern.ipv4" . -}}
{{- $six = include "dandelion.validation.pattern.ipv6" . -}}
{{- end -}}
{{- $network := printf "(%s/(3[0-2]|[12]?[0-9])|%s/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))" $four $six -}}
{{- $rules := dict
      "cpu" (list (printf "%sm?" $number) "a number of cores, such as 2, 0.5 or 500m")
      "bytes" (list (printf "%s([KMGTPE]i|[mkMGTPE]|[eE][+-]?[0-9]+)?" $number) "a quantity of bytes, such as 512Mi or 2Gi")
      "network" (list $network "a network with its length, such as 10.0.0.0/8, or 10.1.2.3/32 for one address")
      "proxy" (list (printf "\\*|%s|%s|%s" $four $six $network) "an address or a network, such as 10.244.0.0/16")
      "schedule" (list "" "the five fields of cron, minute, hour, day, month and day of the week, such as 15 4 * * * for 04:15 each day; Sunday is 0")
      "host" (list (printf "(\\*\\.)?%s" $host) "a host name in lower case without scheme, port and path, such as photos.example.com")
      "server" (list $host "a host name in lower case without scheme and port, such as db.example.com")
      "mailer" (list (printf "(%s|\\[%s\\]):%s" $host $six $port) "a host name and a port, such as mail.example.com:587")
      "name" (list $host "a name of Kubernetes, of lower case letters, digits, - and ., such as my-name")
      "objects" (list "https?://[^/?#@\\s]+/?" "a URL without a path, such as https://s3.example.com")
      "keys" (list "https?://[^#@\\s]+" "a URL that begins with http:// or https:// and has no user")
      "url" (list "https?://[^?#@\\s]+" "a URL that begins with http:// or https:// and has no user and no query") -}}
{{- $rule := index $rules .format -}}
{{- if eq .format "schedule" -}}
{{- if not (include "dandelion.validation.cron" .text) }}{{ last $rule }}{{ end -}}
{{- else if not (regexMatch (printf "^(%s)$" (first $rule)) .text) }}{{ last $rule }}{{ end -}}
{{- end -}}
