# Where the cluster and the database live: the foundation's VPC and private subnets, found by their names.

data "aws_vpc" "foundation" {
  id = var.vpc_id == "" ? null : var.vpc_id

  tags = var.vpc_id == "" ? { Name = "${var.foundation_name_prefix}-vpc" } : null
}

data "aws_subnets" "private" {
  count = length(var.private_subnet_ids) == 0 ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.foundation.id]
  }

  tags = { Name = "${var.foundation_name_prefix}-private-*" }

  lifecycle {
    postcondition {
      condition     = length(self.ids) >= 2
      error_message = "${data.aws_vpc.foundation.id} has ${length(self.ids)} subnets named ${var.foundation_name_prefix}-private-*, and two are needed: apply foundation_network, or set private_subnet_ids."
    }
  }
}

locals {
  vpc_id             = data.aws_vpc.foundation.id
  private_subnet_ids = length(var.private_subnet_ids) == 0 ? sort(one(data.aws_subnets.private).ids) : var.private_subnet_ids
}
