{{- /* Checks that values.schema.json cannot express. All errors are reported together, a sentence each. */}}
{{- define "etl-platform.validate" -}}
{{- $v := .Values }}
{{- $wrong := list }}
{{- $required := dict
  "image.repository" $v.image.repository
  "image.tag" $v.image.tag
  "config.AWS_REGION" $v.config.AWS_REGION
  "config.DATA_BUCKET_NAME" $v.config.DATA_BUCKET_NAME
  "config.FILE_EVENTS_QUEUE_URL" $v.config.FILE_EVENTS_QUEUE_URL
  "config.FILE_EVENTS_DLQ_URL" $v.config.FILE_EVENTS_DLQ_URL
  "config.GATEWAY_ALLOWED_TOPIC_ARNS" $v.config.GATEWAY_ALLOWED_TOPIC_ARNS
  "dagster.postgresql.postgresqlHost" $v.dagster.postgresql.postgresqlHost }}
{{- $missing := list }}
{{- range $path, $value := $required }}
{{- if not $value }}{{ $missing = append $missing $path }}{{ end }}
{{- end }}
{{- if $missing }}
{{- $wrong = append $wrong (printf "%s must be set" (join ", " $missing)) }}
{{- end }}
{{- $withoutRole := list }}
{{- range $component, $arn := $v.serviceAccounts.roleArns }}
{{- if not (or $arn (and (eq $component "ui") (not $v.ui.enabled))) }}{{ $withoutRole = append $withoutRole (printf "serviceAccounts.roleArns.%s" $component) }}{{ end }}
{{- end }}
{{- if and $withoutRole (not (or $v.config.AWS_ENDPOINT_URL (not $v.serviceAccounts.create))) }}
{{- $wrong = append $wrong (printf "%s must be set: pods have no other AWS credentials" (join ", " $withoutRole)) }}
{{- end }}
{{- with $v.dagster.dagsterWebserver.image }}
{{- if ne (printf "%v:%v" .repository .tag) (printf "%v:%v" $v.image.repository $v.image.tag) }}
{{- $wrong = append $wrong (printf "dagster.dagsterWebserver.image is %v:%v and image is %v:%v; set them to the same image" .repository .tag $v.image.repository $v.image.tag) }}
{{- end }}
{{- end }}
{{- if ne (hasSuffix "@sha256" $v.image.repository) (regexMatch "^[0-9a-f]{64}$" $v.image.tag) }}
{{- $wrong = append $wrong "image: for a digest set a repository that ends in @sha256 and a tag of 64 hex digits; one of them alone is invalid" }}
{{- end }}
{{- if eq $v.image.tag "latest" }}
{{- $wrong = append $wrong "image.tag latest changes over time, so pods of one release may run different images; set a version" }}
{{- end }}
{{- if regexMatch "AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)" (toJson $v) }}
{{- $wrong = append $wrong "the values contain an AWS key; remove it, and set serviceAccounts.roleArns instead" }}
{{- end }}
{{- if and $v.config.GATEWAY_DEV_MODE (not $v.config.AWS_ENDPOINT_URL) }}
{{- $wrong = append $wrong "config.GATEWAY_DEV_MODE needs config.AWS_ENDPOINT_URL: it is for an emulator only" }}
{{- end }}
{{- if and (hasPrefix "x-" (lower $v.config.GATEWAY_OVERVIEW_ACCESS)) (not $v.networkPolicies.enabled) }}
{{- $wrong = append $wrong "config.GATEWAY_OVERVIEW_ACCESS is a proxy's header, so networkPolicies.enabled must be true: every pod could send the header" }}
{{- end }}
{{- $wrong = concat $wrong (include "etl-platform.wrongInProduction" . | fromJsonArray) (include "etl-platform.wrongParts" . | fromJsonArray) }}
{{- if $wrong }}
{{- fail (printf "\n- %s" (join "\n- " $wrong)) }}
{{- end }}
{{- end }}

{{- define "etl-platform.wrongInProduction" -}}
{{- $v := .Values }}
{{- $wrong := list }}
{{- if ne $v.environment "dev" }}
{{- range $name := list "AWS_ENDPOINT_URL" "GATEWAY_DEV_MODE" }}
{{- if index $v.config $name }}
{{- $wrong = append $wrong (printf "config.%s is for an emulator; unset it, or set environment to dev (it is %s)" $name $v.environment) }}
{{- end }}
{{- end }}
{{- range $name, $value := $v.config }}
{{- if and (regexMatch "_(QUEUE|DLQ)_URL$" $name) (hasPrefix "http://" (toString $value)) }}
{{- $wrong = append $wrong (printf "config.%s starts with http://; set an https:// URL, or environment to dev (it is %s)" $name $v.environment) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq $v.environment "prod") $v.image.tag (not (hasSuffix "@sha256" $v.image.repository)) }}
{{- $wrong = append $wrong (printf "image.tag %v may change to another image, and environment is prod; set repository to <name>@sha256 and tag to the digest" $v.image.tag) }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{- define "etl-platform.wrongParts" -}}
{{- $v := .Values }}
{{- $launcher := $v.dagster.runLauncher.config.customRunLauncher.config }}
{{- $wrong := list }}
{{- $old := $v.dagster.runLauncher.config.k8sRunLauncher | default dict }}
{{- if or $old.resources $old.runK8sConfig $old.volumes $old.volumeMounts $old.labels $old.envVars $old.envSecrets $old.envConfigMaps }}
{{- $wrong = append $wrong "dagster.runLauncher.config.k8sRunLauncher is not used; move its values to customRunLauncher.config, in Dagster's spelling (docs/deploy/upgrade.md)" }}
{{- end }}
{{- if or $v.dagster.dagsterDaemon.enabled $v.dagster.rbacEnabled }}
{{- $wrong = append $wrong "dagster.dagsterDaemon.enabled and dagster.rbacEnabled must be false: the daemon is this chart's own, and the webserver must not have its rights (docs/deploy/upgrade.md)" }}
{{- end }}
{{- if ne (toJson $v.imagePullSecrets) (toJson $launcher.image_pull_secrets) }}
{{- $wrong = append $wrong "imagePullSecrets and dagster.runLauncher.config.customRunLauncher.config.image_pull_secrets differ; set them to the same list" }}
{{- end }}
{{- with $v.networkPolicies }}
{{- if and .enabled (not .gatewayFrom) (or $v.gateway.ingress.enabled $v.monitoring.serviceMonitor.enabled (ne $v.gateway.service.type "ClusterIP")) }}
{{- $wrong = append $wrong "networkPolicies.gatewayFrom must be set: the load balancer's subnets, and the peers that scrape /metrics; no one else may connect" }}
{{- end }}
{{- if and .enabled (not .metricsFrom) $v.monitoring.serviceMonitor.enabled }}
{{- $wrong = append $wrong "networkPolicies.metricsFrom must be set: the peers that scrape /metrics; no one else may connect" }}
{{- end }}
{{- if and .enabled $v.ui.enabled (not .uiFrom) }}
{{- $wrong = append $wrong "networkPolicies.uiFrom must be set: the subnets of the load balancer in front of the UI" }}
{{- end }}
{{- end }}
{{- with $v.ui }}
{{- if and .enabled (not (and .host .login.issuerUrl .login.clientId .login.allowedGroups)) }}
{{- $wrong = append $wrong "ui needs host, login.issuerUrl, login.clientId and login.allowedGroups: without them anyone could start runs" }}
{{- end }}
{{- if and .enabled (not .ingress.tlsSecretName) (not (hasKey .ingress.annotations "alb.ingress.kubernetes.io/certificate-arn")) }}
{{- $wrong = append $wrong "ui.ingress has no TLS: set tlsSecretName, or the annotation alb.ingress.kubernetes.io/certificate-arn" }}
{{- end }}
{{- end }}
{{- if not (has (dict "name" "DAGSTER_WEBSERVER_READ_ONLY" "value" "true") $v.dagster.dagsterWebserver.env) }}
{{- $wrong = append $wrong "dagster.dagsterWebserver.env must contain DAGSTER_WEBSERVER_READ_ONLY: that webserver has no login; the writable UI is ui.enabled" }}
{{- end }}
{{- with $v.check }}
{{- if and .enabled (not .host) }}
{{- $wrong = append $wrong "check.host must be set: agencies open https://<host>/check" }}
{{- end }}
{{- if and .enabled (not .ingress.tlsSecretName) (not (hasKey .ingress.annotations "alb.ingress.kubernetes.io/certificate-arn")) }}
{{- $wrong = append $wrong "check.ingress has no TLS: set tlsSecretName, or the annotation alb.ingress.kubernetes.io/certificate-arn" }}
{{- end }}
{{- if and .enabled $v.networkPolicies.enabled (not $v.networkPolicies.checkFrom) }}
{{- $wrong = append $wrong "networkPolicies.checkFrom must be set: the load balancer's subnets; no one else may connect" }}
{{- end }}
{{- if and .enabled (eq $v.contracts.source "s3") }}
{{- $wrong = append $wrong "check.enabled needs contracts in the image or a ConfigMap: it has no AWS role to fetch them with" }}
{{- end }}
{{- end }}
{{- with $v.gateway.ingress }}
{{- if and .enabled (not .host) }}
{{- $wrong = append $wrong "gateway.ingress.host must be set: it is the host that SNS posts to" }}
{{- end }}
{{- if and .enabled (not .tlsSecretName) (not (hasKey .annotations "alb.ingress.kubernetes.io/certificate-arn")) }}
{{- $wrong = append $wrong "gateway.ingress has no TLS: set tlsSecretName, or the annotation alb.ingress.kubernetes.io/certificate-arn" }}
{{- end }}
{{- end }}
{{- if and (eq $v.contracts.source "configMap") (not $v.contracts.files) }}
{{- $wrong = append $wrong "contracts.source is configMap, but contracts.files is empty; set them with --set-file" }}
{{- end }}
{{- if eq $v.contracts.source "s3" }}
{{- if not $v.contracts.s3Url }}
{{- $wrong = append $wrong "contracts.source is s3, but contracts.s3Url is empty; set it to s3://bucket/prefix/" }}
{{- end }}
{{- $fetching := dig "initContainers" (list dict) $launcher.run_k8s_config.pod_spec_config | first }}
{{- if not $fetching }}
{{- $wrong = append $wrong "contracts.source is s3, but runs have no container that fetches them: add --values values-contracts-s3.yaml" }}
{{- else if ne $fetching.image (include "etl-platform.image" .) }}
{{- $wrong = append $wrong (printf "the container that fetches contracts for runs has the image %s, but the release has %s; set the same image" $fetching.image (include "etl-platform.image" .)) }}
{{- end }}
{{- end }}
{{- if and $v.oneOffJobs.enabled (not (or $v.oneOffJobs.eventJson $v.oneOffJobs.agencyId)) }}
{{- $wrong = append $wrong "oneOffJobs: set eventJson for s3-data-quality-job, agencyId for get-s3-files-job" }}
{{- end }}
{{- toJson $wrong }}
{{- end }}
