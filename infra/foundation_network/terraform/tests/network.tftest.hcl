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

run "wrong_values" {
  command = plan

  variables {
    aws_region    = "us gov"
    name_prefix   = "Etl_Platform"
    vpc_cidr      = "10.40.0.0/24"
    zone_letters  = ["a", "a"]
    flow_log_days = 7
  }

  expect_failures = [var.aws_region, var.name_prefix, var.vpc_cidr, var.zone_letters, var.flow_log_days]
}
