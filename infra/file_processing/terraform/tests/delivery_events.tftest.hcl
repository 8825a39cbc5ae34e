# The topic of the events of deliveries.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  bucket_is_versioned = true
}

run "without_a_name_there_is_neither_topic_nor_permission" {
  command = plan

  assert {
    condition     = length(aws_sns_topic.delivery_events) == 0 && length(aws_iam_policy.delivery_events) == 0 && output.delivery_events_topic_arn == null
    error_message = "there is a topic that nobody asked for"
  }
}

run "pods_may_publish_to_this_topic_and_do_nothing_else_there" {
  command = plan

  variables {
    delivery_events_topic_name = "delivery-events"
  }

  assert {
    condition = jsondecode(aws_iam_policy.delivery_events[0].policy).Statement == [
      {
        Sid      = "PublishEvents"
        Effect   = "Allow"
        Action   = ["sns:Publish", "sns:GetTopicAttributes"]
        Resource = aws_sns_topic.delivery_events[0].arn
      },
      {
        Sid       = "ThroughSns"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = aws_kms_key.data.arn
        Condition = { StringEquals = { "kms:ViaService" = "sns.us-gov-west-1.amazonaws.com" } }
      },
    ]
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
