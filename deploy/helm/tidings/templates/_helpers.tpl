{{- /*
Only what Go's templates bring by themselves is used in this chart, and none of Helm's own functions: so the chart's test renders it
with the very engine that Helm has.
*/ -}}

{{- define "tidings.common" -}}
app.kubernetes.io/name: tidings, app.kubernetes.io/instance: {{ printf "%q" .Release.Name }}
{{- end -}}

{{- define "tidings.chart" -}}
app.kubernetes.io/version: {{ printf "%q" .Chart.AppVersion }}, app.kubernetes.io/managed-by: {{ printf "%q" .Release.Service }}, helm.sh/chart: "{{ .Chart.Name }}-{{ .Chart.Version }}"
{{- end -}}

{{- define "tidings.list" -}}
{{- range $index, $item := . }}{{ if $index }},{{ end }}{{ $item }}{{ end -}}
{{- end -}}
