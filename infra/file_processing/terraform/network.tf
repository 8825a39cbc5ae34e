# VPC and private subnets of the cluster and the database: those of foundation_network, found by their names.

data "aws_vpcs" "foundation" {
  count = var.vpc_id == "" ? 1 : 0

  tags = { Name = "${var.foundation_name_prefix}-vpc" }

  lifecycle {
    postcondition {
      condition     = length(self.ids) == 1
      error_message = "${var.aws_region} has ${length(self.ids)} VPCs named ${var.foundation_name_prefix}-vpc, and one is needed: apply foundation_network, correct foundation_name_prefix, or set vpc_id."
    }
  }
}

data "aws_subnets" "private" {
  count = length(var.private_subnet_ids) == 0 ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [local.vpc_id]
  }

  tags = { Name = "${var.foundation_name_prefix}-private-*" }

  lifecycle {
    postcondition {
      condition     = length(self.ids) >= 2
      error_message = "${local.vpc_id} has ${length(self.ids)} subnets named ${var.foundation_name_prefix}-private-*, and two are needed: apply foundation_network, or set private_subnet_ids."
    }
  }
}

locals {
  vpc_id             = var.vpc_id == "" ? one(one(data.aws_vpcs.foundation).ids) : var.vpc_id
  private_subnet_ids = length(var.private_subnet_ids) == 0 ? sort(one(data.aws_subnets.private).ids) : var.private_subnet_ids
}
