# AWS inside the VPC: S3 through the route tables, other services through addresses in the private subnets.

# Traffic to S3 bypasses the NAT gateway and its charges. Credentials of another account that were brought into a pod cannot
# carry data out through it: only buckets of the listed accounts are reached, and AWS's own, read only.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.aws_region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for table in aws_route_table.private : table.id]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "BucketsOfKnownAccounts"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:*"
        Resource  = "*"
        Condition = { StringEquals = { "aws:ResourceAccount" = concat([data.aws_caller_identity.current.account_id], var.bucket_accounts) } }
      },
      {
        # Layers of images in ECR, and packages of the nodes' Amazon Linux.
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
        Sid       = "ReadFromAws"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource = [
          for bucket in ["prod-${var.aws_region}-starport-layer-bucket", "al2023-repos-${var.aws_region}-de612dc2"] :
          "arn:${data.aws_partition.current.partition}:s3:::${bucket}/*"
        ]
      },
    ]
  })

  tags = { Name = "${var.name_prefix}-s3" }
}

data "aws_vpc_endpoint_service" "service" {
  for_each = toset(var.interface_endpoints)

  service_name = "com.amazonaws.${var.aws_region}.${each.key}"
  service_type = "Interface"
}

locals {
  # Only for identities of this account; their own policies say what they may do.
  own_identities = {
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = { StringEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id } }
  }

  # A pod that takes its role has no identity yet.
  taken_roles = {
    Effect    = "Allow"
    Principal = "*"
    Action    = "sts:AssumeRoleWithWebIdentity"
    Resource  = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/*"
  }

  endpoint_policies = {
    for service in var.interface_endpoints : service => jsonencode({
      Version   = "2012-10-17"
      Statement = concat([local.own_identities], [for statement in [local.taken_roles] : statement if startswith(service, "sts")])
    })
  }
}

# Private DNS: the usual names of the services lead here, so nothing has to be set in pods.
resource "aws_vpc_endpoint" "service" {
  for_each = toset(var.interface_endpoints)

  vpc_id              = aws_vpc.this.id
  service_name        = data.aws_vpc_endpoint_service.service[each.key].service_name
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true

  # Some services take no policy.
  policy = data.aws_vpc_endpoint_service.service[each.key].vpc_endpoint_policy_supported ? local.endpoint_policies[each.key] : null

  tags = { Name = "${var.name_prefix}-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name_prefix}-endpoints"
  description = "AWS services inside the VPC"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name_prefix}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id = aws_security_group.endpoints.id
  cidr_ipv4         = var.vpc_cidr
  description       = "Nodes and pods"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
