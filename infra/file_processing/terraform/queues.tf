# One entry per queue-fed job of etl_platform/queue_work/queues.py. Its queues, alarms (alarms.tf), policies (permissions.tf) and
# bucket (buckets.tf) are created from it. Only the outputs are separate, because scripts read them by name.
# The platform sets the visibility timeout with each receive (VISIBILITY_TIMEOUT_SECONDS).

locals {
  fourteen_days_s = 14 * 24 * 3600

  queues = {
    file-processing = {
      queue        = var.queue_name
      dead_letters = var.dlq_name
      max_receives = 20 # deliveries/delivery.py makes batches smaller with each receive, down to a single file
      create       = true
      bucket       = { name = var.bucket_name, create = var.create_bucket }
      # Other jobs use the data bucket too, see permissions_data.tf.
      bucket_statements = []
    }
    email-archive = {
      queue             = var.email_queue_name
      dead_letters      = var.email_dlq_name
      max_receives      = 20
      create            = var.create_email_queues
      bucket            = { name = var.email_bucket_name, create = var.create_email_bucket }
      bucket_statements = local.email_bucket_statements
    }
  }

  created_queues  = { for name, each in local.queues : name => each if each.create }
  existing_queues = { for name, each in local.queues : name => each if !each.create }

  queue = {
    for name, each in merge(aws_sqs_queue.queue, data.aws_sqs_queue.queue) : name => { arn = each.arn, url = each.url }
  }
  dead_letters = {
    for name, each in merge(aws_sqs_queue.dead_letters, data.aws_sqs_queue.dead_letters) :
    name => { arn = each.arn, url = each.url }
  }
}

resource "aws_sqs_queue" "queue" {
  for_each = local.created_queues

  name                      = each.value.queue
  message_retention_seconds = local.fourteen_days_s
  kms_master_key_id         = aws_kms_key.data.arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[each.key].arn
    maxReceiveCount     = each.value.max_receives
  })
}

resource "aws_sqs_queue" "dead_letters" {
  for_each = local.created_queues

  name                      = each.value.dead_letters
  message_retention_seconds = local.fourteen_days_s
  kms_master_key_id         = aws_kms_key.data.arn
}

data "aws_sqs_queue" "queue" {
  for_each = local.existing_queues

  name = each.value.queue
}

data "aws_sqs_queue" "dead_letters" {
  for_each = local.existing_queues

  name = each.value.dead_letters
}

# Only its own queue may use a dead-letter queue. A resource of its own, because the two queues name each other.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  for_each = local.created_queues

  queue_url = aws_sqs_queue.dead_letters[each.key].url

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.queue[each.key].arn]
  })
}

locals {
  queues_made_here = merge(
    { for name in keys(local.created_queues) : name => aws_sqs_queue.queue[name] },
    { for name in keys(local.created_queues) : "${name}-dead-letters" => aws_sqs_queue.dead_letters[name] },
  )
}

resource "aws_sqs_queue_policy" "queue" {
  for_each = local.queues_made_here

  queue_url = each.value.url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      for name in ["file-processing"] : {
        Sid       = "TopicSends"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = each.value.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.file_processing.arn } }
      } if name == each.key
      ], [{
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = each.value.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }])
  })
}

# Addresses of release 0.1.0.

moved {
  from = aws_sqs_queue.file_events
  to   = aws_sqs_queue.queue["file-processing"]
}

moved {
  from = aws_sqs_queue.file_events_dlq
  to   = aws_sqs_queue.dead_letters["file-processing"]
}

moved {
  from = aws_sqs_queue.email[0]
  to   = aws_sqs_queue.queue["email-archive"]
}

moved {
  from = aws_sqs_queue.email_dlq[0]
  to   = aws_sqs_queue.dead_letters["email-archive"]
}

# Of release 0.2.

moved {
  from = aws_sqs_queue_policy.file_events
  to   = aws_sqs_queue_policy.queue["file-processing"]
}
