# Names, tags and NAT gateways that others depend on.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    override_during = plan
    defaults        = { partition = "aws-us-gov", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_caller_identity" {
    override_during = plan
    defaults        = { account_id = "111122223333" }
  }

  mock_data "aws_vpc_endpoint_service" {
    override_during = plan
    defaults        = { vpc_endpoint_policy_supported = true }
  }
}

run "file_processing_and_load_balancers_find_the_network_by_its_tags" {
  command = plan

  assert {
    condition     = aws_vpc.this.tags.Name == "etl-platform-vpc"
    error_message = "the VPC has another name"
  }

  assert {
    condition = alltrue([
      for zone, subnet in aws_subnet.private :
      subnet.tags.Name == "etl-platform-private-${zone}" && subnet.tags["kubernetes.io/role/internal-elb"] == "1" && subnet.tags["kubernetes.io/cluster/file-processing-cluster"] == "shared"
    ])
    error_message = "a private subnet lacks its name or its tags"
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : subnet.tags["kubernetes.io/role/elb"] == "1"])
    error_message = "a public subnet lacks its tag"
  }

  assert {
    condition     = length(distinct([for subnet in concat(values(aws_subnet.private), values(aws_subnet.public)) : subnet.cidr_block])) == 4
    error_message = "subnets share addresses"
  }
}

run "one_nat_gateway_serves_all_zones" {
  command = plan

  assert {
    condition     = toset(keys(aws_nat_gateway.this)) == toset(["us-gov-west-1a"]) && length(aws_route.private_out) == 2
    error_message = "not one NAT gateway for two zones"
  }
}

run "each_zone_may_have_its_own_nat_gateway" {
  command = plan

  variables {
    single_nat_gateway = false
    zone_letters       = ["a", "b", "c"]
  }

  assert {
    condition     = toset(keys(aws_nat_gateway.this)) == toset(["us-gov-west-1a", "us-gov-west-1b", "us-gov-west-1c"])
    error_message = "a zone has no NAT gateway"
  }
}

run "only_buckets_of_known_accounts_are_reached" {
  command = plan

  variables {
    bucket_accounts = ["444455556666"]
  }

  assert {
    condition = {
      for statement in jsondecode(aws_vpc_endpoint.s3.policy).Statement :
      statement.Sid => [statement.Action, statement.Resource, try(statement.Condition.StringEquals, {})]
      } == {
      BucketsOfKnownAccounts = ["s3:*", "*", { "aws:ResourceAccount" = ["111122223333", "444455556666"] }]
      ReadFromAws = ["s3:GetObject", [
        "arn:aws-us-gov:s3:::prod-us-gov-west-1-starport-layer-bucket/*",
        "arn:aws-us-gov:s3:::al2023-repos-us-gov-west-1-de612dc2/*",
      ], {}]
    }
    error_message = "other buckets are reached, or those of AWS are not"
  }

  assert {
    condition     = length(aws_vpc_endpoint.service) == 0
    error_message = "an endpoint was made that nobody asked for"
  }
}

run "services_are_reached_without_the_internet" {
  command = plan

  variables {
    internet_access     = false
    interface_endpoints = ["ec2", "ecr.api", "ecr.dkr", "eks", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs", "sts"]
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_route.private_out) == 0 && length(aws_eip.nat) == 0 && length(aws_route_table.private) == 2
    error_message = "there is a way to the internet, or no route table"
  }

  assert {
    condition = alltrue([
      for service, endpoint in aws_vpc_endpoint.service :
      endpoint.service_name == "com.amazonaws.us-gov-west-1.${service}" && endpoint.private_dns_enabled
      && jsondecode(endpoint.policy).Statement[0].Condition.StringEquals["aws:PrincipalAccount"] == "111122223333"
    ])
    error_message = "an endpoint has another name, or serves other accounts"
  }

  assert {
    condition = {
      for service, endpoint in aws_vpc_endpoint.service : service => jsondecode(endpoint.policy).Statement[1]
      if length(jsondecode(endpoint.policy).Statement) > 1
      } == {
      sts = { Effect = "Allow", Principal = "*", Action = "sts:AssumeRoleWithWebIdentity", Resource = "arn:aws-us-gov:iam::111122223333:role/*" }
    }
    error_message = "pods cannot take their roles, or more than that is open"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints.cidr_ipv4 == "10.40.0.0/16"
    error_message = "others than the VPC reach the endpoints"
  }
}

run "wrong_values" {
  command = plan

  variables {
    aws_region          = "us gov"
    name_prefix         = "Etl_Platform"
    vpc_cidr            = "10.40.0.0/24"
    zone_letters        = ["a", "a"]
    bucket_accounts     = ["1111"]
    flow_log_days       = 7
    interface_endpoints = ["s3"]
  }

  expect_failures = [
    var.aws_region,
    var.name_prefix,
    var.vpc_cidr,
    var.zone_letters,
    var.bucket_accounts,
    var.flow_log_days,
    var.interface_endpoints,
  ]
}

# Not with the others: Terraform does not evaluate this condition if the other variable in it is wrong.
run "without_the_internet_and_without_endpoints_no_node_starts" {
  command = plan

  variables {
    internet_access     = false
    interface_endpoints = ["sqs"]
  }

  expect_failures = [var.internet_access]
}
