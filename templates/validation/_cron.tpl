{{/*
"true" for a schedule that the CronJobs of Kubernetes take (ParseStandard of github.com/robfig/cron): Sunday is 0 and not 7, and
no range runs backwards. (text)
*/}}
{{- define "dandelion.validation.cron" -}}
{{- $fields := regexSplit "\\s+" (trim .) -1 -}}
{{- if regexMatch "^@(hourly|daily|midnight|weekly|monthly|yearly|annually|every ([0-9]+(\\.[0-9]+)?[hms])+)$" . -}}
true
{{- else if eq (len $fields) 5 -}}
{{- $wrong := false -}}
{{- $months := list "jan" "feb" "mar" "apr" "may" "jun" "jul" "aug" "sep" "oct" "nov" "dec" -}}
{{- $days := list "sun" "mon" "tue" "wed" "thu" "fri" "sat" -}}
{{- range $number, $limits := list (list 0 59 list) (list 0 23 list) (list 1 31 list) (list 1 12 $months) (list 0 6 $days) -}}
{{- $least := index $limits 0 -}}
{{- $field := index $fields $number | lower -}}
{{- range $position, $name := index $limits 2 -}}
{{- $field = regexReplaceAll (printf "\\b%s\\b" $name) $field (add $position $least | toString) -}}
{{- end -}}
{{- range splitList "," $field -}}
{{- $values := regexSplit "/" . -1 | first | splitList "-" -}}
{{- if not (regexMatch "^(\\*|\\?|[0-9]{1,2}(-[0-9]{1,2})?)(/0*[1-9][0-9]{0,5})?$" .) -}}
{{- $wrong = true -}}
{{- else if regexMatch "^[0-9]" . -}}
{{- $first := first $values | atoi -}}
{{- $last := last $values | atoi -}}
{{- if or (lt $first $least) (gt $last (index $limits 1)) (gt $first $last) -}}{{- $wrong = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $wrong }}true{{ end -}}
{{- end -}}
{{- end -}}
