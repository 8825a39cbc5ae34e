# Two alarms per queue of local.queues: messages that wait too long, and messages in the dead-letter queue. And who hears them.

locals {
  alarm_actions = concat(var.alarm_topic_arn == "" ? [] : [var.alarm_topic_arn], aws_sns_topic.alarms[*].arn)
  nobody_hears  = "Nobody would hear of an alarm: set alarm_emails or alarm_topic_arn."
}

# Each address gets a mail, and has to confirm it.
resource "aws_sns_topic" "alarms" {
  count = length(var.alarm_emails) == 0 ? 0 : 1

  name              = "${var.cluster_name}-alarms"
  kms_master_key_id = aws_kms_key.data.arn
}

resource "aws_sns_topic_policy" "alarms" {
  count = length(aws_sns_topic.alarms)

  arn = aws_sns_topic.alarms[0].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.only_over_tls, { Action = "sns:Publish", Resource = aws_sns_topic.alarms[0].arn }),
      {
        Sid       = "AlarmsPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = toset(var.alarm_emails)

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "queue_age" {
  for_each = local.queues

  alarm_name          = "${var.cluster_name}-${each.key}-oldest-message"
  alarm_description   = "The oldest message of ${each.value.queue} has waited more than ${var.queue_age_alarm_seconds} s: no run receives it, the breaker is open, or it fails repeatedly."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.queue_age_alarm_seconds
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  lifecycle {
    precondition {
      condition     = length(local.alarm_actions) > 0
      error_message = local.nobody_hears
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.queues

  alarm_name          = "${var.cluster_name}-${each.key}-dead-letters"
  alarm_description   = "${each.value.dead_letters} holds messages; etl-platform dlq list shows the reasons."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.value.dead_letters }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions

  lifecycle {
    precondition {
      condition     = length(local.alarm_actions) > 0
      error_message = local.nobody_hears
    }
  }
}
