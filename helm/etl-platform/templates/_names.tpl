{{- define "etl-platform.labels" -}}
app.kubernetes.io/name: etl-platform
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "etl-platform.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end }}

{{- /* The prefix of the dagster chart's names. The chart leaves its own name out if the release's name contains it. */}}
{{- define "etl-platform.dagsterName" -}}
{{ ternary .Release.Name (printf "%s-dagster" .Release.Name) (contains "dagster" .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The service account of a component, one for each. Terraform's roles trust these names. */}}
{{- define "etl-platform.serviceAccount" -}}
{{ ternary .Values.dagster.runLauncher.config.customRunLauncher.config.service_account_name (printf "file-processing-%s" .component) (eq .component "run") }}
{{- end }}

{{- /* Of the whole cluster, so named after the namespace. */}}
{{- define "etl-platform.priorityClass" -}}{{ .Release.Namespace }}-service{{- end }}

{{- define "etl-platform.contractsDir" -}}/etc/etl-platform/contracts{{- end }}

{{- /* The clients of the code server. */}}
{{- define "etl-platform.codeServerClients" -}}
matchExpressions:
  - {key: app, operator: In, values: [file-processing-webserver, file-processing-daemon, file-processing-ui]}
{{- end }}
