# The buckets of local.queues: created here, or existing ones, which are not changed.

locals {
  data_bucket_arn  = "arn:${local.partition}:s3:::${var.bucket_name}"
  email_bucket_arn = "arn:${local.partition}:s3:::${var.email_bucket_name}"

  made_buckets = toset([for queue in local.queues : queue.bucket.name if queue.bucket.create])
}

# A wrong name, or another account's bucket, fails the plan instead of the first run.
data "aws_s3_bucket" "adopted" {
  for_each = setsubtract([for queue in local.queues : queue.bucket.name], local.made_buckets)

  bucket = each.key
}

resource "aws_s3_bucket" "made" {
  for_each = local.made_buckets

  bucket              = each.key
  object_lock_enabled = var.object_lock_days > 0

  # Destroyed before the key, because a bucket that still holds objects needs it.
  depends_on = [aws_kms_key.data]
}

resource "aws_s3_bucket_versioning" "made" {
  for_each = aws_s3_bucket.made

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

# GOVERNANCE: who may s3:BypassGovernanceRetention can erase a version before its time. People who erase may, no component.
resource "aws_s3_bucket_object_lock_configuration" "made" {
  for_each = var.object_lock_days > 0 ? aws_s3_bucket.made : {}

  bucket = each.value.id

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.object_lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.made]
}

resource "aws_s3_bucket_server_side_encryption_configuration" "made" {
  for_each = aws_s3_bucket.made

  bucket = each.value.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "made" {
  for_each = aws_s3_bucket.made

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "made" {
  for_each = aws_s3_bucket.made

  bucket = each.value.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [each.value.arn, "${each.value.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.made]
}

resource "aws_s3_bucket_lifecycle_configuration" "made" {
  for_each = aws_s3_bucket.made

  bucket = each.value.id

  rule {
    id     = "uploads-that-were-never-completed"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "overwritten-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_version_days
    }
  }

  rule {
    id     = "logs-of-runs"
    status = "Enabled"

    filter {
      prefix = local.compute_logs_prefix
    }

    expiration {
      days = 90
    }
  }

  depends_on = [aws_s3_bucket_versioning.made]
}

check "data_bucket_keeps_versions" {
  assert {
    condition     = var.create_bucket || var.bucket_is_versioned
    error_message = "${var.bucket_name} was not created here and may not be versioned: a file that is overwritten before it is read would be lost. Check with `aws s3api get-bucket-versioning --bucket ${var.bucket_name}`, enable versioning, then set bucket_is_versioned = true."
  }
}
