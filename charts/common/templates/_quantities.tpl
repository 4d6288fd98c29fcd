{{/* A quantity of memory in MiB: 512Mi, 1.5Gi, 2G. */}}
{{- define "dandelion.mebi" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $factors := dict "Ki" 0.0009765625 "Mi" 1.0 "Gi" 1024.0 "Ti" 1048576.0 "M" 0.95367431640625 "G" 953.67431640625 "T" 953674.31640625 "" 0.00000095367431640625 -}}
{{- if not (hasKey $factors $unit) }}{{ fail (printf "%q is not a quantity of memory or storage: write it like 512Mi or 2Gi" $text) }}{{ end -}}
{{- mulf $number (index $factors $unit) | ceil | int64 -}}
{{- end -}}

{{/* A quantity of CPU in thousandths of a core: 250m, 1.5. */}}
{{- define "dandelion.milli" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- if hasSuffix "m" $text }}{{ $number | int64 }}{{ else }}{{ mulf $number 1000 | int64 }}{{ end -}}
{{- end -}}
