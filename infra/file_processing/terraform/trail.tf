# Who read and wrote which object of the data bucket: CloudTrail's data events, in a bucket of others and in CloudWatch Logs.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html

locals {
  trail_name      = "${var.cluster_name}-data"
  trail_arn       = "arn:${local.partition}:cloudtrail:${var.aws_region}:${local.account_id}:trail/${local.trail_name}"
  trail_log_group = "/aws/cloudtrail/${local.trail_name}"
  makes_trail     = var.data_trail_bucket != ""
}

resource "aws_cloudwatch_log_group" "trail" {
  count = local.makes_trail ? 1 : 0

  name              = local.trail_log_group
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.platform.arn
}

resource "aws_iam_role" "trail" {
  count = local.makes_trail ? 1 : 0

  name = "${local.trail_name}-trail"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    }]
  })
}

resource "aws_iam_role_policy" "trail" {
  count = local.makes_trail ? 1 : 0

  name = "write-log"
  role = aws_iam_role.trail[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.trail[0].arn}:*"
    }]
  })
}

# For systems that collect logs: it names each new file of the trail. Nobody is subscribed here.
resource "aws_sns_topic" "trail" {
  count = local.makes_trail ? 1 : 0

  name              = "${local.trail_name}-trail"
  kms_master_key_id = aws_kms_key.platform.arn
}

resource "aws_sns_topic_policy" "trail" {
  count = local.makes_trail ? 1 : 0

  arn = aws_sns_topic.trail[0].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.only_over_tls, { Action = "sns:Publish", Resource = aws_sns_topic.trail[0].arn }),
      {
        Sid       = "TrailPublishes"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.trail[0].arn
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
      },
    ]
  })
}

resource "aws_cloudtrail" "data" {
  count = local.makes_trail ? 1 : 0

  name                          = local.trail_name
  s3_bucket_name                = var.data_trail_bucket
  kms_key_id                    = aws_kms_key.platform.arn
  cloud_watch_logs_group_arn    = "${aws_cloudwatch_log_group.trail[0].arn}:*"
  cloud_watch_logs_role_arn     = aws_iam_role.trail[0].arn
  enable_log_file_validation    = true
  include_global_service_events = false
  is_multi_region_trail         = true # a copy of an object can be asked for from another region
  sns_topic_name                = aws_sns_topic.trail[0].name

  advanced_event_selector {
    name = "Objects of the data bucket"

    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }

    field_selector {
      field  = "resources.type"
      equals = ["AWS::S3::Object"]
    }

    field_selector {
      field       = "resources.ARN"
      starts_with = ["${local.data_bucket_arn}/"]
    }
  }

  depends_on = [aws_iam_role_policy.trail, aws_sns_topic_policy.trail]
}

check "reads_of_objects_are_recorded" {
  assert {
    condition     = local.makes_trail || var.data_is_trailed
    error_message = "Nobody records who reads objects of ${var.bucket_name}: set data_trail_bucket, or data_is_trailed = true if a trail of the account has its S3 data events."
  }
}
