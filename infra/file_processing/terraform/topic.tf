# S3 → topic → queue, and to the gateway if it is subscribed too.

resource "aws_sns_topic" "file_processing" {
  name              = var.topic_name
  kms_master_key_id = aws_kms_key.data.arn
  signature_version = 2
}

resource "aws_sns_topic_policy" "file_processing" {
  arn = aws_sns_topic.file_processing.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.file_processing.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "DataBucketPublishes"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.file_processing.arn
        Condition = {
          ArnEquals = { "aws:SourceArn" = local.data_bucket_arn }
          # A bucket's ARN does not contain the account, and anybody may reuse the name of a deleted bucket.
          StringEquals = { "aws:SourceAccount" = local.account_id }
        }
    }]
  })
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn = aws_sns_topic.file_processing.arn
  protocol  = "sqs"
  endpoint  = local.queue["file-processing"].arn

  depends_on = [aws_sqs_queue_policy.queue]
}

# The gateway confirms the subscription, so it must run and allow the topic before this is applied.
resource "aws_sns_topic_subscription" "gateway" {
  count = var.sns_endpoint_url == "" ? 0 : 1

  topic_arn                       = aws_sns_topic.file_processing.arn
  protocol                        = "https"
  endpoint                        = var.sns_endpoint_url
  endpoint_auto_confirms          = true
  confirmation_timeout_in_minutes = 5
}

check "one_way_into_the_queue" {
  assert {
    condition     = var.sns_endpoint_url == ""
    error_message = "The queue and the gateway are both subscribed, so each event arrives twice and the second one is a duplicate. Nothing is lost; leave sns_endpoint_url empty unless something else needs the gateway."
  }
}
