{{- define "dandelion.validation.schedules" -}}
{{- /* Helm takes UTC for a zone that it does not know; where the machine has no database of zones, it knows none. */ -}}
{{- $zone := .Values.global.timeZone | default "UTC" }}
{{- $isUtc := regexMatch "^(Etc/)?(UTC|UCT|Universal|Zulu)$" $zone }}
{{- $hasZones := ne (dateInZone "MST" now "Europe/Paris") "UTC" }}
{{- /* Local is a zone to Helm alone: that of the machine where it runs. */ -}}
{{- if or (eq $zone "Local") (and $hasZones (not $isUtc) (eq (dateInZone "MST" now $zone) "UTC")) }}
global.timeZone is {{ $zone }}, which is no time zone: take a name of the IANA database such as Europe/Paris, or leave it empty for UTC
{{- end }}
{{- $schedules := get ((.Values.prefect.flowRun | default dict).settings | default dict) "DANDELION_PREFECT__SCHEDULES" | toString }}
{{- if and $schedules (hasKey (fromJson $schedules) "Error") }}
prefect.flowRun.settings.DANDELION_PREFECT__SCHEDULES is {{ $schedules | quote }}: write a JSON object of flows and their schedules, such as {"retrain": "0 3 * * *"}
{{- end }}
{{- end -}}
