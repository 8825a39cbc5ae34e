# Permissions of pods and nodes.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn                = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  data_is_trailed                = true
  bucket_is_versioned            = true
  attachments_source_bucket      = "documents"
  attachments_destination_bucket = "copies"
  delivery_events_topic_name     = "delivery-events"
  erase_principal_arns           = ["arn:aws-us-gov:iam::111122223333:role/records-officer"]
  erase_after_retention          = true
}

# A queue and its dead-letter queue have different permissions.
override_resource {
  target          = aws_sqs_queue.dead_letters
  override_during = plan
  values          = { arn = "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:made-dlq" }
}

override_data {
  target          = data.aws_sqs_queue.dead_letters
  override_during = plan
  values          = { arn = "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:adopted-dlq" }
}

run "each_role_trusts_one_service_account_of_this_cluster" {
  command = plan

  assert {
    condition = {
      for component, role in aws_iam_role.component : component => jsondecode(role.assume_role_policy).Statement
      } == {
      for component, account in {
        gateway  = "file-processing-gateway", metrics = "file-processing-metrics", code = "file-processing-code", run = "file-processing-sa",
        commands = "file-processing-commands", doctor = "file-processing-doctor", ui = "file-processing-ui", retention = "file-processing-retention"
        } : component => [{
          Effect    = "Allow"
          Principal = { Federated = "arn:aws-us-gov:iam::111122223333:oidc-provider/oidc.eks.us-gov-west-1.amazonaws.com/id/ABC" }
          Action    = "sts:AssumeRoleWithWebIdentity"
          Condition = {
            StringEquals = {
              "oidc.eks.us-gov-west-1.amazonaws.com/id/ABC:sub" = "system:serviceaccount:file-processing:${account}"
              "oidc.eks.us-gov-west-1.amazonaws.com/id/ABC:aud" = "sts.amazonaws.com"
            }
          }
      }]
    }
    error_message = "somebody else may assume a role"
  }
}

run "no_action_is_a_wildcard_and_only_metrics_have_no_resource" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for name, policy in aws_iam_policy.component : [
        for statement in jsondecode(policy.policy).Statement : [
          [for action in flatten([statement.Action]) : !strcontains(action, "*")],
          [for resource in flatten([statement.Resource]) : can(regex("^arn:aws-us-gov:(s3:::[a-z-]+(/.*[*]|/reports/_index/overview[.]html)?|(sqs|kms):us-gov-west-1:[0-9]{12}:[a-z/-]+)$", resource)) || can(regex("^arn:aws-us-gov:sns:us-gov-west-1:[0-9]{12}:[a-z-]+$", resource)) || statement.Action == ["cloudwatch:GetMetricData"]],
        ]
      ]
    ]))
    error_message = "an action or a resource is wider than a prefix, a queue or a key"
  }

  assert {
    condition     = alltrue([for policy in aws_iam_policy.component : length(policy.policy) <= 6144])
    error_message = "IAM refuses a policy of more than 6,144 characters"
  }
}

run "only_given_keys_are_used_and_only_through_s3_and_sqs" {
  command = plan

  variables {
    kms_key_arns = ["arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/theirs"]
  }

  assert {
    condition = alltrue(flatten([
      for name, policy in aws_iam_policy.component : [
        for statement in jsondecode(policy.policy).Statement :
        statement.Resource == [aws_kms_key.data.arn, "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/theirs"]
        && (statement.Action == ["kms:DescribeKey"] || contains(["s3.us-gov-west-1.amazonaws.com", "sqs.us-gov-west-1.amazonaws.com"], try(statement.Condition.StringEquals["kms:ViaService"], "")))
      ] if endswith(name, "/kms")
    ]))
    error_message = "another key, or use of a key other than through S3 and SQS"
  }
}

run "the_metrics_read_one_object_and_the_webhook_none" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.component["metrics/file_processing_s3"].policy).Statement : statement
      ] == [{
        Sid      = "ReadOverview"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws-us-gov:s3:::etl-file-processing-client-etl/reports/_index/overview.html"]
    }]
    error_message = "the pod of metrics reaches more of the data bucket than the overview"
  }

  assert {
    condition     = !contains(keys(aws_iam_policy.component), "gateway/file_processing_s3")
    error_message = "the pod that the internet reaches has a policy for the data bucket"
  }
}

run "nodes_have_no_s3_and_pods_cannot_get_node_credentials" {
  command = plan

  assert {
    condition     = !anytrue([for attachment in aws_iam_role_policy_attachment.nodes : strcontains(attachment.policy_arn, "S3")])
    error_message = "a node may use S3"
  }

  assert {
    condition = (
      aws_launch_template.nodes.metadata_options[0].http_tokens == "required"
      && aws_launch_template.nodes.metadata_options[0].http_put_response_hop_limit == 1
    )
    error_message = "pods can get the node's credentials"
  }
}

run "without_attachments_there_is_no_policy_for_them" {
  command = plan

  variables {
    attachments_source_bucket      = ""
    attachments_destination_bucket = ""
  }

  assert {
    condition     = !anytrue([for name in keys(aws_iam_policy.component) : endswith(name, "/attachments")]) && output.attachments_source_bucket == null
    error_message = "there is a policy without buckets"
  }
}

run "only_named_people_erase" {
  command = plan

  assert {
    condition     = jsondecode(aws_iam_role.erase[0].assume_role_policy).Statement[0].Principal == { AWS = ["arn:aws-us-gov:iam::111122223333:role/records-officer"] }
    error_message = "somebody else may assume the role that erases"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.erase[0].policy).Statement :
      alltrue([for resource in flatten([statement.Resource]) : !strcontains(resource, "contracts/") && !endswith(resource, ":s3:::*")])
    ])
    error_message = "the role that erases reaches more than deliveries"
  }
}

run "without_people_there_is_no_role_that_erases" {
  command = plan

  variables {
    erase_principal_arns = []
  }

  assert {
    condition     = length(aws_iam_role.erase) == 0 && length(aws_iam_policy.erase) == 0
    error_message = "a role that erases exists, and nobody needs it"
  }
}

run "without_erase_after_retention_no_pod_erases" {
  command = plan

  variables {
    erase_after_retention = false
  }

  assert {
    condition = !anytrue(flatten([
      for policy in aws_iam_policy.component : [
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Allow" && contains(flatten([statement.Action]), "s3:DeleteObjectVersion")
      ]
    ]))
    error_message = "a pod may erase versions, and nobody asked for it"
  }

  assert {
    condition     = anytrue([for statement in jsondecode(aws_iam_policy.component["retention/file_processing_s3"].policy).Statement : statement.Effect == "Deny"])
    error_message = "another policy could let the runs of retention_job erase"
  }
}
