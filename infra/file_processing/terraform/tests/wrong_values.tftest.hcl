# Each wrong value is refused before anything is read or created. All at once: each of them must fail.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  data_is_trailed = true
}

run "wrong_values" {
  command = plan

  variables {
    bucket_is_versioned = true

    aws_region                = "us gov"
    vpc_id                    = "my-vpc"
    private_subnet_ids        = ["subnet-01"]
    cluster_name              = "a_b"
    kubernetes_version        = "1.33.1"
    public_access_cidrs       = ["0.0.0.0/0"]
    private_access_cidrs      = ["10.0.0.1"]
    cluster_admin_arns        = ["arn:aws-us-gov:sts::111122223333:assumed-role/deployer/me"]
    alarm_emails              = ["on-call"]
    node_instance_types       = []
    node_count                = { min = 3, max = 2, desired = 3 }
    oidc_thumbprint           = "9E:99"
    namespace                 = "File_Processing"
    image                     = "registry.example/etl:latest"
    bucket_name               = "My_Bucket"
    source_prefix             = "bronze/in/"
    noncurrent_version_days   = 1
    object_lock_days          = -1
    sns_endpoint_url          = "http://gateway.example/"
    attachments_source_bucket = "documents"
    kms_key_arns              = ["alias/data"]
    glue_database_name        = "etl-platform"
    glue_agencies             = ["nm albuquerque"]
    db_name                   = "Dagster"
    db_username               = "postgres"
    db_password               = "short"
    db_password_rotation_days = 0
    db_instance_class         = "t4g.medium"
    db_backup_days            = 0
    alarm_topic_arn           = "on-call"
    queue_age_alarm_seconds   = 1
    log_days                  = 7
  }

  expect_failures = [
    var.aws_region,
    var.vpc_id,
    var.private_subnet_ids,
    var.cluster_name,
    var.kubernetes_version,
    var.public_access_cidrs,
    var.private_access_cidrs,
    var.cluster_admin_arns,
    var.alarm_emails,
    var.node_instance_types,
    var.node_count,
    var.oidc_thumbprint,
    var.namespace,
    var.image,
    var.bucket_name,
    var.source_prefix,
    var.noncurrent_version_days,
    var.object_lock_days,
    var.sns_endpoint_url,
    var.attachments_source_bucket,
    var.kms_key_arns,
    var.glue_database_name,
    var.glue_agencies,
    var.db_name,
    var.db_username,
    var.db_password,
    var.db_password_rotation_days,
    var.db_instance_class,
    var.db_backup_days,
    var.alarm_topic_arn,
    var.queue_age_alarm_seconds,
    var.log_days,
  ]
}

# Not with the others: Terraform does not evaluate a condition if another variable in it is wrong.
run "names_that_depend_on_others" {
  command = plan

  variables {
    bucket_is_versioned = true
    cluster_viewer_arns = ["arn:aws-us-gov:sts::111122223333:assumed-role/viewer/me"]
    data_trail_bucket   = "Trail_Bucket"
  }

  expect_failures = [var.cluster_viewer_arns, var.data_trail_bucket]
}

run "a_way_in_that_is_too_wide" {
  command = plan

  variables {
    bucket_is_versioned    = true
    sftp_agencies          = { nm_albuquerque = ["-----BEGIN OPENSSH PRIVATE KEY-----"] }
    sftp_cidrs             = ["0.0.0.0/0"]
    sftp_public_subnet_ids = ["public-a"]
    erase_principal_arns   = ["*"]
  }

  expect_failures = [var.sftp_agencies, var.sftp_cidrs, var.sftp_public_subnet_ids, var.erase_principal_arns]
}

# RDS and IAM refuse these names only after half of the stack is created.
run "a_cluster_name_that_makes_derived_names_too_long" {
  command = plan

  variables {
    bucket_is_versioned = true
    cluster_name        = "a-cluster-with-a-name-of-just-46-characters-ab"
  }

  expect_failures = [var.cluster_name]
}

run "a_cluster_name_that_a_database_cannot_have" {
  command = plan

  variables {
    bucket_is_versioned = true
    cluster_name        = "File-Processing"
  }

  expect_failures = [var.cluster_name]
}

# Not with the others: Terraform does not evaluate this condition if the other variable in it is wrong.
run "a_service_account_name_that_kubernetes_refuses" {
  command = plan

  variables {
    bucket_is_versioned  = true
    service_account_name = "Sa"
  }

  expect_failures = [var.service_account_name]
}

run "a_service_account_name_that_makes_the_role_name_too_long" {
  command = plan

  variables {
    bucket_is_versioned  = true
    cluster_name         = "a-cluster-with-a-name-of-just-45-characters-a"
    service_account_name = "a-service-account-a"
  }

  expect_failures = [var.service_account_name]
}
