# Who read which object, and the way in for agencies without AWS.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn     = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  bucket_is_versioned = true
}

run "reads_that_nobody_records_cause_a_warning" {
  command = plan

  assert {
    condition     = length(aws_cloudtrail.data) == 0
    error_message = "a trail was made without a bucket"
  }

  expect_failures = [check.reads_of_objects_are_recorded]
}

run "a_trail_has_the_data_events_of_the_bucket" {
  command = plan

  variables {
    data_trail_bucket = "log-archive"
  }

  assert {
    condition = {
      for field in one(aws_cloudtrail.data[0].advanced_event_selector).field_selector : field.field => coalescelist(field.equals, field.starts_with)
      } == {
      eventCategory    = tolist(["Data"])
      "resources.type" = tolist(["AWS::S3::Object"])
      "resources.ARN"  = tolist(["arn:aws-us-gov:s3:::etl-file-processing-client-etl/"])
    }
    error_message = "other events are recorded"
  }

  assert {
    condition     = aws_cloudtrail.data[0].s3_bucket_name == "log-archive" && aws_cloudtrail.data[0].enable_log_file_validation && aws_cloudtrail.data[0].kms_key_id == aws_kms_key.platform.arn
    error_message = "the trail is written elsewhere, or can be changed unseen"
  }
}

run "there_is_no_server_unless_an_agency_is_named" {
  command = plan

  variables {
    data_is_trailed = true
    sftp_cidrs      = ["203.0.113.0/24"]
  }

  assert {
    condition     = length(aws_transfer_server.sftp) == 0 && length(aws_vpc_security_group_ingress_rule.sftp) == 0 && output.sftp_endpoint == null
    error_message = "a server was made without request"
  }
}

run "an_agency_writes_into_its_own_folder_only" {
  command = plan

  variables {
    data_is_trailed = true
    sftp_cidrs      = ["203.0.113.0/24"]
    sftp_agencies = {
      nm_albuquerque = ["ecdsa-sha2-nistp256 AAAA", "ssh-rsa AAAA"]
      nc_durham      = ["ecdsa-sha2-nistp256 BBBB"]
    }
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.sftp["nc_durham"].policy).Statement : statement.Sid => [statement.Effect, statement.Action, statement.Resource]
      } == {
      ListOwnFolder = ["Allow", "s3:ListBucket", "arn:aws-us-gov:s3:::etl-file-processing-client-etl"]
      AskRegion     = ["Allow", "s3:GetBucketLocation", "arn:aws-us-gov:s3:::etl-file-processing-client-etl"]
      Deliver       = ["Allow", ["s3:PutObject", "s3:AbortMultipartUpload"], "arn:aws-us-gov:s3:::etl-file-processing-client-etl/from_client/nc_durham/*"]
      ThroughS3     = ["Allow", ["kms:GenerateDataKey", "kms:Decrypt"], [aws_kms_key.data.arn]]
    }
    error_message = "an agency may do more than deliver"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.sftp["nc_durham"].policy).Statement[0].Condition.StringLike["s3:prefix"] == ["from_client/nc_durham", "from_client/nc_durham/*"]
    error_message = "an agency lists the files of others"
  }

  assert {
    condition     = length(aws_transfer_ssh_key.sftp) == 3 && one(aws_transfer_user.sftp["nc_durham"].home_directory_mappings).target == "/etl-file-processing-client-etl/from_client/nc_durham"
    error_message = "a key is missing, or an agency is led elsewhere"
  }

  assert {
    condition     = startswith(aws_transfer_server.sftp[0].security_policy_name, "TransferSecurityPolicy-FIPS-") && aws_vpc_security_group_ingress_rule.sftp["203.0.113.0/24"].from_port == 22
    error_message = "the server takes ciphers without FIPS, or others reach it"
  }
}
