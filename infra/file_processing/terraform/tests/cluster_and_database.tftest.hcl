# Cluster, identity provider, database, image.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn     = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  bucket_is_versioned = true
  data_is_trailed     = true
}

run "the_api_is_private_unless_networks_are_named" {
  command = plan

  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].endpoint_private_access
    error_message = "the API is open to the internet"
  }

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == aws_kms_key.platform.arn
    error_message = "secrets are not encrypted"
  }

  assert {
    condition     = tolist(aws_eks_cluster.this.vpc_config[0].subnet_ids) == tolist(["subnet-0a", "subnet-0b"])
    error_message = "the foundation's subnets were not found"
  }
}

run "add_ons_have_the_version_that_goes_with_the_cluster" {
  command = plan

  assert {
    condition     = alltrue([for version in data.aws_eks_addon_version.default : version.kubernetes_version == aws_eks_cluster.this.version])
    error_message = "an add-on version is for another Kubernetes"
  }

  assert {
    condition = {
      for addon in concat([aws_eks_addon.network], values(aws_eks_addon.on_nodes)) : addon.addon_name => addon.addon_version
    } == { for name in ["coredns", "kube-proxy", "vpc-cni"] : name => "v1.2.3-eksbuild.4" }
    error_message = "an add-on has another version than the default"
  }
}

run "only_the_creator_has_access_unless_others_are_named" {
  command = plan

  assert {
    condition     = length(aws_eks_access_entry.admin) == 0 && length(aws_vpc_security_group_ingress_rule.api) == 0
    error_message = "somebody else has access"
  }
}

run "named_roles_may_deploy_from_named_networks" {
  command = plan

  variables {
    cluster_admin_arns   = ["arn:aws-us-gov:iam::111122223333:role/deployers"]
    private_access_cidrs = ["10.40.0.0/16"]
  }

  assert {
    condition = (
      one(values(aws_eks_access_policy_association.admin)).principal_arn == "arn:aws-us-gov:iam::111122223333:role/deployers"
      && one(values(aws_eks_access_policy_association.admin)).policy_arn == "arn:aws-us-gov:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    )
    error_message = "the named role has no admin access"
  }

  assert {
    condition = [
      for rule in aws_vpc_security_group_ingress_rule.api : "${rule.security_group_id} ${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"
    ] == ["sg-0c 10.40.0.0/16 443-443"]
    error_message = "the named network cannot reach the API"
  }
}

run "named_roles_look_at_the_namespace_only" {
  command = plan

  variables {
    cluster_viewer_arns = ["arn:aws-us-gov:iam::111122223333:role/auditors"]
  }

  assert {
    condition = (
      one(values(aws_eks_access_policy_association.viewer)).principal_arn == "arn:aws-us-gov:iam::111122223333:role/auditors"
      && one(values(aws_eks_access_policy_association.viewer)).policy_arn == "arn:aws-us-gov:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
      && one(one(values(aws_eks_access_policy_association.viewer)).access_scope).type == "namespace"
      && one(one(values(aws_eks_access_policy_association.viewer)).access_scope).namespaces == toset(["file-processing"])
    )
    error_message = "the named role may do more than look, or elsewhere"
  }
}

run "a_role_is_viewer_or_admin" {
  command = plan

  variables {
    cluster_admin_arns  = ["arn:aws-us-gov:iam::111122223333:role/deployers"]
    cluster_viewer_arns = ["arn:aws-us-gov:iam::111122223333:role/deployers"]
  }

  expect_failures = [var.cluster_viewer_arns]
}

run "a_missing_network_is_reported" {
  command = plan

  override_data {
    target          = data.aws_vpcs.foundation
    override_during = plan
    values          = { ids = [] }
  }

  expect_failures = [data.aws_vpcs.foundation]
}

run "too_few_subnets_are_reported" {
  command = plan

  override_data {
    target          = data.aws_subnets.private
    override_during = plan
    values          = { ids = ["subnet-0a"] }
  }

  expect_failures = [data.aws_subnets.private]
}

run "given_subnets_are_used" {
  command = plan

  variables {
    vpc_id              = "vpc-0f"
    private_subnet_ids  = ["subnet-01", "subnet-02"]
    public_access_cidrs = ["203.0.113.0/24"]
    oidc_thumbprint     = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"
  }

  assert {
    condition     = length(data.aws_vpcs.foundation) == 0 && length(data.aws_subnets.private) == 0 && aws_db_subnet_group.dagster.subnet_ids == toset(["subnet-01", "subnet-02"])
    error_message = "other subnets are used"
  }

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["203.0.113.0/24"])
    error_message = "other networks have access"
  }

  assert {
    condition     = aws_iam_openid_connect_provider.eks.thumbprint_list == tolist(["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"])
    error_message = "the given thumbprint is not used"
  }
}

run "rds_manages_the_password_unless_one_is_given" {
  command = plan

  assert {
    condition     = aws_db_instance.dagster.manage_master_user_password && output.database_secret_arn != null
    error_message = "RDS manages no password"
  }

  assert {
    condition = (
      aws_secretsmanager_secret_rotation.database[0].secret_id == output.database_secret_arn
      && aws_secretsmanager_secret_rotation.database[0].rotation_rules[0].automatically_after_days == 365
      && !aws_secretsmanager_secret_rotation.database[0].rotate_immediately
    )
    error_message = "RDS rotates the password every seven days, or at once"
  }

  assert {
    condition = (
      !aws_db_instance.dagster.publicly_accessible && aws_db_instance.dagster.storage_encrypted && aws_db_instance.dagster.deletion_protection
      && contains([for parameter in aws_db_parameter_group.dagster.parameter : "${parameter.name}=${parameter.value}"], "rds.force_ssl=1")
    )
    error_message = "the database is not private, encrypted, protected and TLS only"
  }
}

run "a_given_password_is_set_and_not_stored_in_the_state" {
  command = plan

  variables {
    db_password = "a-password-for-this-test"
  }

  override_resource {
    target          = aws_db_instance.dagster
    override_during = plan
    values          = { master_user_secret = [] }
  }

  assert {
    condition     = aws_db_instance.dagster.manage_master_user_password == null && aws_db_instance.dagster.password_wo_version == 1 && aws_db_instance.dagster.password == null
    error_message = "the password is not set as write-only"
  }

  assert {
    condition     = output.database_secret_arn == null && length(aws_secretsmanager_secret_rotation.database) == 0
    error_message = "a secret that does not exist is an output, or is rotated"
  }
}

run "the_given_image_is_used" {
  command = plan

  variables {
    image = "registry.example/etl@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  }

  assert {
    condition     = endswith(output.image, "@sha256:0000000000000000000000000000000000000000000000000000000000000000")
    error_message = "another image is an output"
  }
}
