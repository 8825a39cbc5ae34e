{{- define "stub.fullname" -}}
{{ ternary .Release.Name (printf "%s-dagster" .Release.Name) (contains "dagster" .Release.Name) }}
{{- end }}

{{- define "stub.labels" -}}
app.kubernetes.io/name: dagster
app.kubernetes.io/instance: {{ (first .).Release.Name }}
component: {{ last . }}
{{- end }}

{{- /* A map of camelCase keys as snake_case; nulls and empty lists are left out. */}}
{{- define "stub.snake" -}}
{{- $out := dict }}
{{- range $key, $value := . }}
{{- if not (or (kindIs "invalid" $value) (and (kindIs "slice" $value) (empty $value))) }}
{{- $_ := set $out (snakecase $key) $value }}
{{- end }}
{{- end }}
{{- toYaml $out }}
{{- end }}
