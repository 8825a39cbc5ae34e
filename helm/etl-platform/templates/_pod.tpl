{{- /* The common parts of our pods. Pods of the dagster chart get the same from values.yaml. */}}

{{- define "etl-platform.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "etl-platform.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* Takes the root with `component`, as all below do. */}}
{{- define "etl-platform.podSpec" -}}
serviceAccountName: {{ include "etl-platform.serviceAccount" . }}
{{- include "etl-platform.priority" . }}
# AWS credentials use a separate token (IRSA), and these pods do not call the cluster's API.
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "etl-platform.podSecurity" . | nindent 2 }}
volumes: {{- include "etl-platform.volumes" . | nindent 2 }}
{{- if and (eq .Values.contracts.source "s3") (include "etl-platform.readsContracts" .) }}
initContainers: {{- include "etl-platform.contractsInit" . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Of what starts and feeds runs. All other pods wait for room on a node; `doctor` would end a run every five minutes. */}}
{{- define "etl-platform.priority" -}}
{{- if and .Values.priorityClass.create (has (.component | default "dagster") (list "dagster" "gateway" "metrics" "code")) }}
priorityClassName: {{ include "etl-platform.priorityClass" . }}
{{- end }}
{{- end }}

{{- /* The size of /tmp: files of agencies, or next to nothing. Limits of ephemeral-storage leave room for it. */}}
{{- define "etl-platform.tmpSize" -}}{{ get (dict "run" "38Gi" "commands" "38Gi" "check" "4Gi") .component | default "256Mi" }}{{- end }}

{{- /* The gateway and the metrics read no contract; the gateway has no secret, and no login to a database. */}}
{{- define "etl-platform.readsContracts" -}}{{ if not (has .component (list "gateway" "metrics")) }}yes{{ end }}{{- end }}
{{- define "etl-platform.usesDagster" -}}{{ if not (has .component (list "gateway" "check")) }}yes{{ end }}{{- end }}
{{- /* The check reads contracts only. */}}
{{- define "etl-platform.hasSecrets" -}}{{ if and (include "etl-platform.readsContracts" .) (ne .component "check") }}yes{{ end }}{{- end }}

{{- define "etl-platform.container" -}}
image: {{ include "etl-platform.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "etl-platform.containerSecurity" . | nindent 2 }}
envFrom:
  - configMapRef: {name: file-processing-config}
  {{- if include "etl-platform.hasSecrets" . }}
  - secretRef: {name: file-processing-secrets}
  {{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if include "etl-platform.usesDagster" . }}
  - {name: dagster-home, mountPath: {{ .Values.global.dagsterHome }}}
  - {name: dagster-instance, mountPath: {{ .Values.global.dagsterHome }}/dagster.yaml, subPath: dagster.yaml}
  {{- end }}
  {{- if include "etl-platform.readsContracts" . }}
  - {name: contracts, mountPath: {{ include "etl-platform.contractsDir" . }}, readOnly: true}
  {{- end }}
{{- end }}

{{- define "etl-platform.env" -}}
- name: DAGSTER_HOME
  value: {{ .Values.global.dagsterHome }}
- name: DAGSTER_PG_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .Values.global.postgresqlSecretName }}, key: postgresql-password}
{{- end }}

{{- define "etl-platform.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ include "etl-platform.tmpSize" . }}}
{{- if include "etl-platform.usesDagster" . }}
- name: dagster-home
  emptyDir: {sizeLimit: 256Mi}
- name: dagster-instance
  configMap: {name: {{ include "etl-platform.dagsterName" . }}-instance}
{{- end }}
{{- if include "etl-platform.readsContracts" . }}
- name: contracts
{{- if eq .Values.contracts.source "s3" }}
  emptyDir: {sizeLimit: 256Mi}
{{- else }}
  configMap: {name: file-processing-contracts, optional: true}
{{- end }}
{{- end }}
{{- end }}

{{- /* Daemon and writable UI: no code of the platform, no secret but Dagster's database, no AWS but compute logs. */}}
{{- define "etl-platform.dagsterPod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "etl-platform.priority" . }}
securityContext: {{- include "etl-platform.podSecurity" . | nindent 2 }}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 256Mi}}
  - {name: dagster-home, emptyDir: {sizeLimit: 256Mi}}
  - name: dagster-instance
    configMap: {name: {{ include "etl-platform.dagsterName" . }}-instance}
  - name: workspace
    configMap: {name: {{ include "etl-platform.dagsterName" . }}-workspace-yaml}
{{- end }}

{{- define "etl-platform.dagsterContainer" -}}
image: {{ include "etl-platform.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "etl-platform.containerSecurity" . | nindent 2 }}
envFrom:
  - configMapRef: {name: file-processing-config}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: dagster-home, mountPath: {{ .Values.global.dagsterHome }}}
  - {name: dagster-instance, mountPath: {{ .Values.global.dagsterHome }}/dagster.yaml, subPath: dagster.yaml}
  - {name: workspace, mountPath: /dagster-workspace}
{{- end }}

{{- define "etl-platform.contractsInit" -}}
- name: contracts
  {{- /* Other mounts than the main container's: this container writes the contracts. */}}
  {{- omit (include "etl-platform.container" . | fromYaml) "volumeMounts" | toYaml | nindent 2 }}
  args: [contract, fetch, $(CONTRACTS_S3_URL), {{ include "etl-platform.contractsDir" . }}]
  resources:
    requests: {cpu: 100m, memory: 128Mi, ephemeral-storage: 128Mi}
    limits: {cpu: 500m, memory: 256Mi, ephemeral-storage: 1Gi}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: contracts, mountPath: {{ include "etl-platform.contractsDir" . }}}
{{- end }}

{{- /* Deployments restart when one of these changes. Run pods read them when they start. */}}
{{- define "etl-platform.checksums" -}}
checksum/config: {{ toJson .Values.config | sha256sum }}
checksum/contracts: {{ toJson .Values.contracts | sha256sum }}
checksum/instance: {{ toJson .Values.dagster | sha256sum }}
{{- end }}
