# Values that manage.sh passes to helm, and that people look up. Scripts read them by name.

output "region" {
  description = "Region of all resources."
  value       = var.aws_region
}

output "cluster_name" {
  description = "EKS cluster, for aws eks update-kubeconfig."
  value       = aws_eks_cluster.this.name
}

output "cluster_endpoint" {
  description = "The cluster's API."
  value       = aws_eks_cluster.this.endpoint
}

output "oidc_issuer_url" {
  description = "OIDC issuer that the role trusts."
  value       = aws_eks_cluster.this.identity[0].oidc[0].issuer
}

output "namespace" {
  description = "Namespace of the release."
  value       = var.namespace
}

output "service_account_name" {
  description = "Service account of runs."
  value       = var.service_account_name
}

output "role_arns" {
  description = "Role of each component, for the annotation of its service account."
  value       = { for component, role in aws_iam_role.component : component => role.arn }
}

output "ecr_repository_url" {
  description = "Repository that ecr_put.sh pushes to."
  value       = aws_ecr_repository.file_processing.repository_url
}

output "image" {
  description = "Image to deploy; null before the first push."
  value       = var.image != "" ? var.image : try(trimspace(file("${path.module}/container_image.txt")), null)
}

output "data_bucket_name" {
  description = "DATA_BUCKET_NAME."
  value       = var.bucket_name
}

output "source_prefix" {
  description = "SOURCE_PREFIX."
  value       = var.source_prefix
}

output "topic_arn" {
  description = "For GATEWAY_ALLOWED_TOPIC_ARNS."
  value       = aws_sns_topic.file_processing.arn
}

output "delivery_events_topic_arn" {
  description = "DELIVERY_EVENTS_TOPIC_ARN; null without the topic."
  value       = one(aws_sns_topic.delivery_events[*].arn)
}

output "file_events_queue_url" {
  description = "FILE_EVENTS_QUEUE_URL."
  value       = local.queue["file-processing"].url
}

output "file_events_dlq_url" {
  description = "FILE_EVENTS_DLQ_URL."
  value       = local.dead_letters["file-processing"].url
}

output "email_queue_url" {
  description = "EMAIL_QUEUE_URL."
  value       = local.queue["email-archive"].url
}

output "email_dlq_url" {
  description = "EMAIL_DLQ_URL."
  value       = local.dead_letters["email-archive"].url
}

output "email_bucket_name" {
  description = "EMAIL_BUCKET_NAME."
  value       = var.email_bucket_name
}

output "attachments_source_bucket" {
  description = "ATTACHMENTS_SOURCE_BUCKET; null without attachments."
  value       = var.attachments_source_bucket == "" ? null : var.attachments_source_bucket
}

output "attachments_destination_bucket" {
  description = "ATTACHMENTS_DESTINATION_BUCKET; null without attachments."
  value       = var.attachments_destination_bucket == "" ? null : var.attachments_destination_bucket
}

output "email_kms_key_arn" {
  description = "EMAIL_KMS_KEY_ID; null for an existing bucket, which has its own encryption."
  value       = var.create_email_bucket ? aws_kms_key.data.arn : null
}

output "kms_key_arns" {
  description = "Keys that the pods may use; the first is the one created here."
  value       = local.usable_keys
}

output "database_host" {
  description = "Host of Dagster's storage."
  value       = aws_db_instance.dagster.address
}

output "database_port" {
  description = "Port of Dagster's storage."
  value       = aws_db_instance.dagster.port
}

output "database_name" {
  description = "Database of Dagster's storage."
  value       = var.db_name
}

output "database_username" {
  description = "Owner of Dagster's database."
  value       = var.db_username
}

output "database_login" {
  description = "Login of Dagster, which the chart makes. The owner is used for nothing else."
  value       = "${var.db_username}_service"
}

output "database_secret_arn" {
  description = "Secret with the owner's password; null if db_password was given."
  value       = one(aws_db_instance.dagster.master_user_secret[*].secret_arn)
}
