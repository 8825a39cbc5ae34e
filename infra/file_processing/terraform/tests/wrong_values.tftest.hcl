# Each wrong value is refused before anything is asked or made. All at once: each of them must fail.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "wrong_values" {
  command = plan

  variables {
    bucket_is_versioned = true

    aws_region                 = "us gov"
    vpc_id                     = "my-vpc"
    private_subnet_ids         = ["subnet-01"]
    cluster_name               = "a_b"
    kubernetes_version         = "1.33.1"
    public_access_cidrs        = ["0.0.0.0/0"]
    node_instance_types        = []
    node_count                 = { min = 3, max = 2, desired = 3 }
    oidc_thumbprint            = "9E:99"
    namespace                  = "File_Processing"
    service_account_name       = "Sa"
    image                      = "registry.example/etl:latest"
    bucket_name                = "My_Bucket"
    source_prefix              = "bronze/in/"
    noncurrent_version_days    = 1
    sns_endpoint_url           = "http://gateway.example/"
    visibility_timeout_seconds = 5
    attachments_source_bucket  = "documents"
    kms_key_arns               = ["alias/data"]
    db_name                    = "Dagster"
    db_username                = "postgres"
    db_password                = "short"
    db_instance_class          = "t4g.medium"
    db_backup_days             = 0
    alarm_topic_arn            = "on-call"
    queue_age_alarm_seconds    = 1
    log_days                   = 7
  }

  expect_failures = [
    var.aws_region,
    var.vpc_id,
    var.private_subnet_ids,
    var.cluster_name,
    var.kubernetes_version,
    var.public_access_cidrs,
    var.node_instance_types,
    var.node_count,
    var.oidc_thumbprint,
    var.namespace,
    var.service_account_name,
    var.image,
    var.bucket_name,
    var.source_prefix,
    var.noncurrent_version_days,
    var.sns_endpoint_url,
    var.visibility_timeout_seconds,
    var.attachments_source_bucket,
    var.kms_key_arns,
    var.db_name,
    var.db_username,
    var.db_password,
    var.db_instance_class,
    var.db_backup_days,
    var.alarm_topic_arn,
    var.queue_age_alarm_seconds,
    var.log_days,
  ]
}
