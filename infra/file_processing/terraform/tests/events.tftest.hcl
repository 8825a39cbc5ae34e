# Topic, queues and their policies.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn     = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  bucket_is_versioned = true
  data_is_trailed     = true
}

run "only_this_bucket_of_this_account_may_publish" {
  command = plan

  assert {
    condition = slice(jsondecode(aws_sns_topic_policy.file_processing.policy).Statement, 1, 2) == [{
      Sid       = "DataBucketPublishes"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.file_processing.arn
      Condition = {
        ArnEquals    = { "aws:SourceArn" = "arn:aws-us-gov:s3:::etl-file-processing-client-etl" }
        StringEquals = { "aws:SourceAccount" = "111122223333" }
      }
    }]
    error_message = "somebody else may publish"
  }
}

run "only_the_topic_may_send_and_20_receives_lead_to_the_dead_letter_queue" {
  command = plan

  assert {
    condition     = jsondecode(aws_sqs_queue_policy.queue["file-processing"].policy).Statement[0].Condition.ArnEquals["aws:SourceArn"] == aws_sns_topic.file_processing.arn
    error_message = "somebody else may send"
  }

  assert {
    condition = (
      jsondecode(aws_sqs_queue.queue["file-processing"].redrive_policy).maxReceiveCount == 20
      && aws_sqs_queue.queue["file-processing"].message_retention_seconds == 1209600
      && aws_sqs_queue.dead_letters["file-processing"].message_retention_seconds == 1209600
    )
    error_message = "a queue has not 20 receives and 14 days"
  }

  assert {
    condition     = length(aws_sns_topic_subscription.gateway) == 0 && aws_sns_topic_subscription.queue.protocol == "sqs"
    error_message = "something else than the queue is subscribed"
  }
}

run "existing_email_queues_are_used" {
  command = plan

  assert {
    condition     = keys(aws_sqs_queue.queue) == ["file-processing"] && output.email_queue_url == data.aws_sqs_queue.queue["email-archive"].url
    error_message = "email queues were created without request"
  }
}

run "email_queues_are_created_on_request" {
  command = plan

  variables {
    create_email_queues = true
  }

  assert {
    condition     = length(data.aws_sqs_queue.queue) == 0 && jsondecode(aws_sqs_queue.queue["email-archive"].redrive_policy).maxReceiveCount == 20
    error_message = "email queues were not created"
  }
}

run "a_gateway_beside_the_queue_causes_a_warning" {
  command = plan

  variables {
    sns_endpoint_url = "https://gateway.example/"
  }

  assert {
    condition     = aws_sns_topic_subscription.gateway[0].endpoint == "https://gateway.example/" && aws_sns_topic_subscription.gateway[0].protocol == "https"
    error_message = "the gateway is not subscribed"
  }

  expect_failures = [check.one_way_into_the_queue]
}

run "an_alarm_that_nobody_hears_is_refused" {
  command = plan

  variables {
    alarm_topic_arn = ""
  }

  expect_failures = [aws_cloudwatch_metric_alarm.queue_age, aws_cloudwatch_metric_alarm.dead_letters]
}

run "people_hear_of_alarms_by_mail" {
  command = plan

  variables {
    alarm_topic_arn = ""
    alarm_emails    = ["on-call@example.gov"]
  }

  assert {
    condition     = aws_sns_topic_subscription.alarms["on-call@example.gov"].protocol == "email" && alltrue([for alarm in values(aws_cloudwatch_metric_alarm.queue_age) : alarm.alarm_actions == toset([aws_sns_topic.alarms[0].arn])])
    error_message = "an alarm does not notify the addresses"
  }

  assert {
    condition = (
      [for statement in jsondecode(aws_sns_topic_policy.alarms[0].policy).Statement : statement.Sid] == ["OnlyOverTls", "AlarmsPublish"]
      && contains(jsondecode(aws_kms_key.data.policy).Statement[1].Principal.Service, "cloudwatch.amazonaws.com")
    )
    error_message = "CloudWatch may not publish, or others may without TLS"
  }
}

run "every_queue_has_an_alarm_on_age_and_on_dead_letters" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  }

  assert {
    condition = (
      toset([for alarm in aws_cloudwatch_metric_alarm.queue_age : alarm.dimensions.QueueName]) == toset(["file-processing-queue", "email-validation-queue"])
      && toset([for alarm in aws_cloudwatch_metric_alarm.dead_letters : alarm.dimensions.QueueName]) == toset(["file-processing-dlq", "email-validation-dlq"])
    )
    error_message = "a queue has no alarm"
  }

  assert {
    condition     = alltrue([for alarm in values(aws_cloudwatch_metric_alarm.dead_letters) : alarm.alarm_actions == toset([var.alarm_topic_arn])])
    error_message = "an alarm does not notify the topic"
  }
}

run "topic_and_queues_are_used_over_tls_only_and_a_dead_letter_queue_by_its_own_queue" {
  command = plan

  variables {
    create_email_queues = true
  }

  assert {
    condition = toset(keys(aws_sqs_queue_policy.queue)) == toset(["email-archive", "email-archive-dead-letters", "file-processing", "file-processing-dead-letters"]) && alltrue([
      for policy in concat([aws_sns_topic_policy.file_processing], values(aws_sqs_queue_policy.queue)) : anytrue([
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" && statement.Principal == "*" && statement.Condition == { Bool = { "aws:SecureTransport" = "false" } }
      ])
    ])
    error_message = "a queue or the topic can be used without TLS"
  }

  assert {
    condition = alltrue([
      for policy in aws_sqs_queue_redrive_allow_policy.dead_letters :
      jsondecode(policy.redrive_allow_policy).redrivePermission == "byQueue"
    ])
    error_message = "any queue may use a dead-letter queue"
  }

  assert {
    condition     = alltrue([for name, policy in aws_sqs_queue_policy.queue : length(jsondecode(policy.policy).Statement) == (name == "file-processing" ? 2 : 1)])
    error_message = "the topic may send to another queue than its own"
  }
}
