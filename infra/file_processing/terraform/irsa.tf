# The role that pods assume through their service account, and its policies. docs/reference/iam.md lists which call needs what.

locals {
  issuer = replace(aws_iam_openid_connect_provider.eks.url, "https://", "")
}

resource "aws_iam_role" "file_processing_sa" {
  name        = "${var.cluster_name}-${var.service_account_name}"
  description = "Pods of ${var.namespace}/${var.service_account_name} in ${var.cluster_name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.eks.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.issuer}:sub" = "system:serviceaccount:${var.namespace}:${var.service_account_name}"
          "${local.issuer}:aud" = "sts.amazonaws.com"
        }
      }
    }]
  })
}

resource "aws_iam_policy" "file_processing_s3" {
  name        = "${var.cluster_name}-s3"
  description = "The platform's prefixes in ${var.bucket_name}"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.data_bucket_statements })
}

resource "aws_iam_role_policy_attachment" "file_processing_s3_attach" {
  role       = aws_iam_role.file_processing_sa.name
  policy_arn = aws_iam_policy.file_processing_s3.arn
}

resource "aws_iam_policy" "queue" {
  for_each = local.queues

  name        = "${var.cluster_name}-${each.value.policy.name}"
  description = each.value.policy.description

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid      = "Queues"
      Effect   = "Allow"
      Action   = local.queue_actions
      Resource = [local.queue[each.key].arn, local.dead_letters[each.key].arn]
    }], each.value.policy.bucket_statements)
  })
}

resource "aws_iam_role_policy_attachment" "queue" {
  for_each = aws_iam_policy.queue

  role       = aws_iam_role.file_processing_sa.name
  policy_arn = each.value.arn
}

resource "aws_iam_policy" "attachments" {
  count = var.attachments_source_bucket == "" ? 0 : 1

  name        = "${var.cluster_name}-attachments"
  description = "From ${var.attachments_source_bucket} to attachments/ in ${var.attachments_destination_bucket}"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.attachments_statements })
}

resource "aws_iam_role_policy_attachment" "attachments" {
  count = length(aws_iam_policy.attachments)

  role       = aws_iam_role.file_processing_sa.name
  policy_arn = aws_iam_policy.attachments[0].arn
}

resource "aws_iam_policy" "kms" {
  name        = "${var.cluster_name}-kms"
  description = "Keys of the buckets and queues"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.kms_statements })
}

resource "aws_iam_role_policy_attachment" "kms" {
  role       = aws_iam_role.file_processing_sa.name
  policy_arn = aws_iam_policy.kms.arn
}

# IAM cannot restrict GetMetricData to a resource. It reads metrics only.
resource "aws_iam_policy" "queue_ages" {
  name        = "${var.cluster_name}-queue-ages"
  description = "How long the oldest message of a queue has waited"

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "AskMetrics", Effect = "Allow", Action = "cloudwatch:GetMetricData", Resource = "*" }]
  })
}

resource "aws_iam_role_policy_attachment" "queue_ages" {
  role       = aws_iam_role.file_processing_sa.name
  policy_arn = aws_iam_policy.queue_ages.arn
}
