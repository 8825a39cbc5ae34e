# Two keys: one for the data, which pods may use, and one for the infrastructure, which they may not.

locals {
  account_decides = {
    Sid       = "AccountDecides"
    Effect    = "Allow"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }

  # A statement of resource policies; merge Action and Resource into it.
  only_over_tls = {
    Sid       = "OnlyOverTls"
    Effect    = "Deny"
    Principal = "*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }

  cluster_log_group  = "/aws/eks/${var.cluster_name}/cluster"
  database_log_group = "/aws/rds/instance/${local.database_identifier}/postgresql"
}

resource "aws_kms_key" "data" {
  description             = "${var.cluster_name} buckets, topic and queues"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.account_decides,
      {
        # S3 needs it to publish to the encrypted topic, SNS to send to the encrypted queue, CloudWatch for alarms. AWS
        # documents no condition on the caller here; the policies of topics and queue restrict the senders.
        Sid       = "EventsPassThrough"
        Effect    = "Allow"
        Principal = { Service = concat(["s3.amazonaws.com", "sns.amazonaws.com"], length(var.alarm_emails) == 0 ? [] : ["cloudwatch.amazonaws.com"]) }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
      },
    ]
  })
}

resource "aws_kms_alias" "data" {
  name          = "alias/${var.cluster_name}-data"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_kms_key" "platform" {
  description             = "${var.cluster_name} secrets, database, images and logs"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.account_decides,
      {
        Sid       = "LogsEncrypts"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.aws_region}.${data.aws_partition.current.dns_suffix}" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = {
          ArnEquals = {
            "kms:EncryptionContext:aws:logs:arn" = [
              for group in [local.cluster_log_group, local.database_log_group, local.trail_log_group, local.sftp_log_group] :
              "arn:${local.partition}:logs:${var.aws_region}:${local.account_id}:log-group:${group}"
            ]
          }
        }
      },
      {
        Sid       = "TrailEncrypts"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
      },
    ]
  })
}

resource "aws_kms_alias" "platform" {
  name          = "alias/${var.cluster_name}-platform"
  target_key_id = aws_kms_key.platform.key_id
}
