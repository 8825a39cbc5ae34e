# An account in GovCloud that has the foundation network, the buckets and the email queues.

mock_data "aws_partition" {
  override_during = plan
  defaults        = { partition = "aws-us-gov", dns_suffix = "amazonaws.com" }
}

mock_data "aws_caller_identity" {
  override_during = plan
  defaults        = { account_id = "111122223333" }
}

mock_data "aws_vpcs" {
  override_during = plan
  defaults        = { ids = ["vpc-0a"] }
}

mock_data "aws_subnets" {
  override_during = plan
  defaults        = { ids = ["subnet-0b", "subnet-0a"] }
}

mock_data "aws_s3_bucket" {
  override_during = plan
  defaults        = { id = "adopted" }
}

mock_data "aws_sqs_queue" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:adopted", url = "https://sqs.us-gov-west-1.amazonaws.com/111122223333/adopted" }
}

mock_data "aws_eks_addon_version" {
  override_during = plan
  defaults        = { version = "v1.2.3-eksbuild.4" }
}

mock_resource "aws_kms_key" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/made" }
}

mock_resource "aws_iam_role" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:iam::111122223333:role/made" }
}

mock_resource "aws_iam_policy" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:iam::111122223333:policy/made" }
}

mock_resource "aws_sns_topic" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:file-processing-topic" }
}

mock_resource "aws_sqs_queue" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:made", url = "https://sqs.us-gov-west-1.amazonaws.com/111122223333/made" }
}

mock_resource "aws_eks_cluster" {
  override_during = plan
  defaults = {
    endpoint   = "https://eks.example"
    identity   = [{ oidc = [{ issuer = "https://oidc.eks.us-gov-west-1.amazonaws.com/id/ABC" }] }]
    vpc_config = { cluster_security_group_id = "sg-0c" }
  }
}

mock_resource "aws_iam_openid_connect_provider" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:iam::111122223333:oidc-provider/oidc.eks.us-gov-west-1.amazonaws.com/id/ABC" }
}

mock_resource "aws_s3_bucket" {
  override_during = plan
  defaults        = { arn = "arn:aws-us-gov:s3:::made" }
}

mock_resource "aws_db_instance" {
  override_during = plan
  defaults = {
    address            = "dagster.example"
    master_user_secret = [{ secret_arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:made" }]
  }
}
