# IAM statements of the pods' role. The prefixes are those of etl_platform/object_keys.py.

locals {
  compute_logs_prefix = "dagster/compute_logs/"
  arrival_prefixes    = [var.source_prefix, "from_api/"]
  written_prefixes    = ["from_api/", "bronze/", "silver/", "quarantine/", "reports/", "exports/", local.compute_logs_prefix]
  # contracts/ is used if the chart reads its contracts from S3.
  data_prefixes = distinct(concat(local.arrival_prefixes, local.written_prefixes, ["contracts/"]))

  data_bucket_statements = [
    {
      # IfExists: S3 answers 404 for a missing object only if the caller may list the bucket, and checks that without a
      # prefix. With 403 the platform would treat a missing file as an outage and retry it.
      Sid       = "ListPrefixes"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = local.data_bucket_arn
      Condition = { StringLikeIfExists = { "s3:prefix" = [for prefix in local.data_prefixes : "${prefix}*"] } }
    },
    {
      # What a run replaced in silver returns if its file is refused under another contract.
      Sid       = "ListVersions"
      Effect    = "Allow"
      Action    = "s3:ListBucketVersions"
      Resource  = local.data_bucket_arn
      Condition = { StringLike = { "s3:prefix" = [for prefix in concat(local.arrival_prefixes, ["silver/"]) : "${prefix}*"] } }
    },
    {
      Sid      = "AskVersioning"
      Effect   = "Allow"
      Action   = "s3:GetBucketVersioning"
      Resource = local.data_bucket_arn
    },
    {
      Sid      = "Read"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = [for prefix in local.data_prefixes : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      # The files that agencies sent are never written.
      Sid      = "Write"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = [for prefix in local.written_prefixes : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      Sid      = "ReadTagsOfArrivals"
      Effect   = "Allow"
      Action   = ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"]
      Resource = [for prefix in local.arrival_prefixes : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      Sid      = "CopyTagsToBronze"
      Effect   = "Allow"
      Action   = "s3:PutObjectTagging"
      Resource = "${local.data_bucket_arn}/bronze/*"
    },
    {
      Sid      = "RemoveRows"
      Effect   = "Allow"
      Action   = "s3:DeleteObject"
      Resource = [for prefix in ["quarantine/", "silver/"] : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      Sid      = "ClearWaiting"
      Effect   = "Allow"
      Action   = "s3:DeleteObject"
      Resource = "${local.data_bucket_arn}/reports/_waiting/*"
    },
  ]

  queue_actions = [
    "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:SendMessage", "sqs:GetQueueAttributes",
  ]

  email_bucket_statements = [
    {
      Sid       = "ListEmails"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = local.email_bucket_arn
      Condition = { StringLikeIfExists = { "s3:prefix" = "emails/*" } }
    },
    {
      Sid      = "KeepEmails"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = "${local.email_bucket_arn}/emails/*"
    },
  ]

  attachments_source_arn      = "arn:${local.partition}:s3:::${var.attachments_source_bucket}"
  attachments_destination_arn = "arn:${local.partition}:s3:::${var.attachments_destination_bucket}"

  attachments_statements = [
    {
      # The keys come from the application's database and may be anywhere in the bucket.
      Sid      = "AskBuckets"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:GetEncryptionConfiguration"]
      Resource = [local.attachments_source_arn, local.attachments_destination_arn]
    },
    {
      Sid      = "ReadSource"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectTagging"]
      Resource = "${local.attachments_source_arn}/*"
    },
    {
      Sid      = "WriteCopies"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"]
      Resource = "${local.attachments_destination_arn}/attachments/*"
    },
  ]

  usable_keys = concat([aws_kms_key.data.arn], var.kms_key_arns)

  kms_statements = [
    {
      Sid      = "ThroughS3AndSqs"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = local.usable_keys
      Condition = {
        StringEquals = {
          "kms:ViaService" = [for service in ["s3", "sqs"] : "${service}.${var.aws_region}.${data.aws_partition.current.dns_suffix}"]
        }
      }
    },
    {
      Sid      = "AskKeys"
      Effect   = "Allow"
      Action   = "kms:DescribeKey"
      Resource = local.usable_keys
    },
  ]
}
