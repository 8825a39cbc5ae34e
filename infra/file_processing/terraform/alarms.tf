# Two alarms for each pipeline: messages that wait too long, and messages that died.

locals {
  queues = {
    file-processing = { queue = var.queue_name, dead_letters = var.dlq_name }
    email-archive   = { queue = var.email_queue_name, dead_letters = var.email_dlq_name }
  }
  alarm_actions = var.alarm_topic_arn == "" ? [] : [var.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "queue_age" {
  for_each = local.queues

  alarm_name          = "${var.cluster_name}-${each.key}-oldest-message"
  alarm_description   = "The oldest message of ${each.value.queue} waits for more than ${var.queue_age_alarm_seconds} s: no run takes it, the breaker is open, or it fails again and again."
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
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.queues

  alarm_name          = "${var.cluster_name}-${each.key}-dead-letters"
  alarm_description   = "${each.value.dead_letters} holds messages: etl-platform dlq list says why."
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
}
