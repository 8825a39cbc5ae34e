# The data bucket, created or existing, and its notifications to the topic.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  data_is_trailed = true
}

run "an_existing_bucket_is_not_changed" {
  command = plan

  variables {
    bucket_is_versioned = true
  }

  assert {
    condition     = length(aws_s3_bucket.made) == 0 && length(aws_s3_bucket_versioning.made) == 0 && length(aws_s3_bucket_policy.made) == 0
    error_message = "an existing bucket was changed"
  }

  assert {
    condition     = toset(keys(data.aws_s3_bucket.adopted)) == toset(["etl-email-archive", "etl-file-processing-client-etl"])
    error_message = "an existing bucket was not looked up"
  }

  assert {
    condition     = length(aws_s3_bucket_notification.made_bucket) == 0 && length(terraform_data.adopted_bucket_notification) == 0
    error_message = "notifications were set without request"
  }
}

run "a_bucket_that_may_be_unversioned_causes_a_warning" {
  command = plan

  expect_failures = [check.data_bucket_keeps_versions]
}

run "notifications_of_an_existing_bucket_are_kept" {
  command = plan

  variables {
    bucket_is_versioned     = true
    create_s3_notifications = true
    source_prefix           = "incoming/"
  }

  assert {
    condition     = length(aws_s3_bucket_notification.made_bucket) == 0
    error_message = "Terraform's resource would replace notifications of others"
  }

  assert {
    condition     = terraform_data.adopted_bucket_notification[0].input.SOURCE_PREFIX == "incoming/"
    error_message = "the script gets another prefix"
  }
}

run "a_new_bucket_is_versioned_encrypted_private_and_notifies_of_the_prefix_only" {
  command = plan

  variables {
    create_bucket           = true
    create_s3_notifications = true
  }

  assert {
    condition = (
      aws_s3_bucket_versioning.made[var.bucket_name].versioning_configuration[0].status == "Enabled"
      && one(one(aws_s3_bucket_server_side_encryption_configuration.made[var.bucket_name].rule).apply_server_side_encryption_by_default).kms_master_key_id == aws_kms_key.data.arn
      && aws_s3_bucket_public_access_block.made[var.bucket_name].restrict_public_buckets
    )
    error_message = "the new bucket lacks versions, its key or its public-access block"
  }

  assert {
    condition     = one(aws_s3_bucket_notification.made_bucket[0].topic).filter_prefix == "from_client/"
    error_message = "the notification is not limited to the prefix"
  }

  assert {
    condition     = length(terraform_data.adopted_bucket_notification) == 0 && toset(keys(data.aws_s3_bucket.adopted)) == toset(["etl-email-archive"])
    error_message = "the new bucket is treated as an existing one"
  }
}

run "versions_of_a_new_bucket_can_be_locked" {
  command = plan

  variables {
    bucket_is_versioned = true
    create_bucket       = true
    object_lock_days    = 90
  }

  assert {
    condition = (
      aws_s3_bucket.made["etl-file-processing-client-etl"].object_lock_enabled
      && aws_s3_bucket_object_lock_configuration.made["etl-file-processing-client-etl"].rule[0].default_retention[0].days == 90
      && aws_s3_bucket_object_lock_configuration.made["etl-file-processing-client-etl"].rule[0].default_retention[0].mode == "GOVERNANCE"
    )
    error_message = "a version can be deleted before its time"
  }
}

run "an_existing_bucket_is_not_locked" {
  command = plan

  variables {
    bucket_is_versioned = true
    object_lock_days    = 90
  }

  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.made) == 0
    error_message = "an existing bucket was changed"
  }
}
