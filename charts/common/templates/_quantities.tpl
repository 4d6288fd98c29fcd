{{/* A value as text: Helm would write a number of seven digits or more as 6.7108864e+07. */}}
{{- define "dandelion.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}

{{/* A quantity of memory in MiB: 512Mi, 1.5Gi, 2G, 1e9, 128974848000m. Validation refuses what is none, which is 0 here. */}}
{{- define "dandelion.mebi" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+([eE][+-]?[0-9]+)?" $text | float64 -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $factors := dict "Ki" 0.0009765625 "Mi" 1.0 "Gi" 1024.0 "Ti" 1048576.0 "Pi" 1073741824.0 "k" 0.00095367431640625 "M" 0.95367431640625 "G" 953.67431640625 "T" 953674.31640625 "P" 953674316.40625 "Ei" 1099511627776.0 "E" 953674316406.25 "m" 0.00000000095367431640625 "" 0.00000095367431640625 -}}
{{- mulf $number (index $factors $unit | default 0.0) | ceil | int64 -}}
{{- end -}}

{{/* A quantity of CPU in thousandths of a core: 250m, 1.5. */}}
{{- define "dandelion.milli" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- if hasSuffix "m" $text }}{{ $number | int64 }}{{ else }}{{ mulf $number 1000 | int64 }}{{ end -}}
{{- end -}}
