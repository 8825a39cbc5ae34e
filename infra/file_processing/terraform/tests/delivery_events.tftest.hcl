# The topic of the events of deliveries.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn     = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  bucket_is_versioned = true
  data_is_trailed     = true
}

run "without_a_name_there_is_neither_topic_nor_permission" {
  command = plan

  assert {
    condition     = length(aws_sns_topic.delivery_events) == 0 && !anytrue([for name in keys(aws_iam_policy.component) : endswith(name, "/delivery_events")]) && output.delivery_events_topic_arn == null
    error_message = "there is a topic that nobody asked for"
  }
}

run "pods_may_publish_to_this_topic_and_do_nothing_else_there" {
  command = plan

  variables {
    delivery_events_topic_name = "delivery-events"
  }

  assert {
    condition = {
      for name, policy in aws_iam_policy.component :
      name => flatten([for statement in jsondecode(policy.policy).Statement : [for action in statement.Action : "${action} ${statement.Resource[0]}"]]) if endswith(name, "/delivery_events")
      } == {
      for name, actions in { code = ["sns:GetTopicAttributes", "sns:Publish", "kms:Decrypt", "kms:GenerateDataKey"], commands = ["sns:GetTopicAttributes", "sns:Publish", "kms:Decrypt", "kms:GenerateDataKey"], doctor = ["sns:GetTopicAttributes"] } : "${name}/delivery_events" => [
        for action in actions : "${action} ${startswith(action, "kms:") ? aws_kms_key.data.arn : aws_sns_topic.delivery_events[0].arn}"
      ]
    }
    error_message = "pods may do more than publish"
  }

  assert {
    condition     = aws_sns_topic.delivery_events[0].kms_master_key_id == aws_kms_key.data.arn && output.delivery_events_topic_arn == aws_sns_topic.delivery_events[0].arn
    error_message = "the topic is not encrypted, or its ARN is not an output"
  }
}

run "a_fifo_topic_is_refused" {
  command = plan

  variables {
    delivery_events_topic_name = "events.fifo"
  }

  expect_failures = [var.delivery_events_topic_name]
}
