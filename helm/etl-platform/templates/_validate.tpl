{{- /* What values.schema.json can't say. Every complaint at once, a sentence each. */}}
{{- define "etl-platform.validate" -}}
{{- end }}
