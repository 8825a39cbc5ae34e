# File events and emails, each with a dead-letter queue. Emails may come from queues that are there already.
# How long a message stays hidden, the platform says with each receive (VISIBILITY_TIMEOUT_SECONDS).

locals {
  fourteen_days_s   = 14 * 24 * 3600
  max_receive_count = 20 # deliveries/delivery.py makes batches smaller with each receive, down to one file alone
}

resource "aws_sqs_queue" "file_events" {
  name                      = var.queue_name
  message_retention_seconds = local.fourteen_days_s
  kms_master_key_id         = aws_kms_key.data.arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.file_events_dlq.arn
    maxReceiveCount     = local.max_receive_count
  })
}

resource "aws_sqs_queue_policy" "file_events" {
  queue_url = aws_sqs_queue.file_events.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TopicSends"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.file_events.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.file_processing.arn } }
    }]
  })
}

resource "aws_sqs_queue" "file_events_dlq" {
  name                      = var.dlq_name
  message_retention_seconds = local.fourteen_days_s
  kms_master_key_id         = aws_kms_key.data.arn
}

resource "aws_sqs_queue" "email" {
  count = var.create_email_queues ? 1 : 0

  name                      = var.email_queue_name
  message_retention_seconds = local.fourteen_days_s
  kms_master_key_id         = aws_kms_key.data.arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.email_dlq[0].arn
    maxReceiveCount     = local.max_receive_count
  })
}

resource "aws_sqs_queue" "email_dlq" {
  count = var.create_email_queues ? 1 : 0

  name                      = var.email_dlq_name
  message_retention_seconds = local.fourteen_days_s
  kms_master_key_id         = aws_kms_key.data.arn
}

data "aws_sqs_queue" "email" {
  count = var.create_email_queues ? 0 : 1

  name = var.email_queue_name
}

data "aws_sqs_queue" "email_dlq" {
  count = var.create_email_queues ? 0 : 1

  name = var.email_dlq_name
}

locals {
  email_queue = one(concat(aws_sqs_queue.email[*], data.aws_sqs_queue.email[*]))
  email_dlq   = one(concat(aws_sqs_queue.email_dlq[*], data.aws_sqs_queue.email_dlq[*]))
}
