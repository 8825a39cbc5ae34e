# A way in for agencies without AWS: an SFTP server of AWS Transfer Family, off by default. Each agency is a user that writes
# into its own folder below source_prefix. It lists that folder, and neither reads nor deletes: a delivery is final.

locals {
  sftp_log_group = "/aws/transfer/${var.cluster_name}"
  makes_sftp     = length(var.sftp_agencies) > 0
  sftp_keys = merge([
    for agency, keys in var.sftp_agencies : { for number, key in keys : "${agency}/${number}" => { agency = agency, key = key } }
  ]...)
}

variable "sftp_agencies" {
  description = "Folder of each agency that delivers by SFTP, with its public SSH keys. Empty: there is no server."
  type        = map(list(string))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for agency, keys in var.sftp_agencies : can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{2,99}$", agency)) && length(keys) > 0])
    error_message = "sftp_agencies takes folders of 3 to 100 letters, digits, _, - and ., such as nm_albuquerque, each with at least one public key."
  }

  validation {
    condition     = alltrue([for keys in values(var.sftp_agencies) : alltrue([for key in keys : can(regex("^(ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+", key))])])
    error_message = "sftp_agencies takes public keys as in id_ecdsa.pub, ecdsa-sha2-nistp256 and the like or ssh-rsa; the server's FIPS policy has no ed25519."
  }
}

variable "sftp_cidrs" {
  description = "Networks from which agencies reach the SFTP server. Empty: none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.sftp_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "sftp_cidrs takes networks such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "sftp_public_subnet_ids" {
  description = "Public subnets in which the SFTP server gets fixed public addresses. Empty: it is reached inside the VPC, and over a VPN."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.sftp_public_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "sftp_public_subnet_ids takes ids of subnets, such as subnet-0a1b2c3d; foundation_network has them as public_subnet_ids."
  }
}

resource "aws_security_group" "sftp" {
  count = local.makes_sftp ? 1 : 0

  name        = "${var.cluster_name}-sftp"
  description = "Agencies that deliver by SFTP"
  vpc_id      = local.vpc_id

  tags = { Name = "${var.cluster_name}-sftp" }
}

resource "aws_vpc_security_group_ingress_rule" "sftp" {
  for_each = local.makes_sftp ? toset(var.sftp_cidrs) : toset([])

  security_group_id = aws_security_group.sftp[0].id
  cidr_ipv4         = each.key
  description       = "SFTP"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_eip" "sftp" {
  for_each = local.makes_sftp ? toset(var.sftp_public_subnet_ids) : toset([])

  domain = "vpc"

  tags = { Name = "${var.cluster_name}-sftp" }
}

resource "aws_cloudwatch_log_group" "sftp" {
  count = local.makes_sftp ? 1 : 0

  name              = local.sftp_log_group
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.platform.arn
}

resource "aws_transfer_server" "sftp" {
  count = local.makes_sftp ? 1 : 0

  protocols                   = ["SFTP"]
  identity_provider_type      = "SERVICE_MANAGED"
  endpoint_type               = "VPC"
  security_policy_name        = "TransferSecurityPolicy-FIPS-2025-03"
  structured_log_destinations = ["${aws_cloudwatch_log_group.sftp[0].arn}:*"]

  endpoint_details {
    vpc_id                 = local.vpc_id
    subnet_ids             = length(var.sftp_public_subnet_ids) > 0 ? var.sftp_public_subnet_ids : local.private_subnet_ids
    address_allocation_ids = length(var.sftp_public_subnet_ids) > 0 ? [for id in var.sftp_public_subnet_ids : aws_eip.sftp[id].id] : null
    security_group_ids     = [aws_security_group.sftp[0].id]
  }

  tags = { Name = "${var.cluster_name}-sftp" }
}

resource "aws_iam_role" "sftp" {
  for_each = var.sftp_agencies

  name = "${var.cluster_name}-sftp-${substr(sha256(each.key), 0, 8)}"

  description = "The agency ${each.key} over SFTP"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "transfer.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "sftp" {
  for_each = aws_iam_role.sftp

  name = "deliver"
  role = each.value.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ListOwnFolder"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = local.data_bucket_arn
        Condition = { StringLike = { "s3:prefix" = ["${var.source_prefix}${each.key}", "${var.source_prefix}${each.key}/*"] } }
      },
      {
        Sid      = "AskRegion"
        Effect   = "Allow"
        Action   = "s3:GetBucketLocation"
        Resource = local.data_bucket_arn
      },
      {
        Sid      = "Deliver"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = "${local.data_bucket_arn}/${var.source_prefix}${each.key}/*"
      },
      {
        # Decrypt: S3 needs it for uploads in parts.
        Sid       = "ThroughS3"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = local.usable_keys
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.aws_region}.${data.aws_partition.current.dns_suffix}" } }
      },
    ]
  })
}

resource "aws_transfer_user" "sftp" {
  for_each = var.sftp_agencies

  server_id           = aws_transfer_server.sftp[0].id
  user_name           = each.key
  role                = aws_iam_role.sftp[each.key].arn
  home_directory_type = "LOGICAL"

  home_directory_mappings {
    entry  = "/"
    target = "/${var.bucket_name}/${var.source_prefix}${each.key}"
  }
}

resource "aws_transfer_ssh_key" "sftp" {
  for_each = local.sftp_keys

  server_id = aws_transfer_server.sftp[0].id
  user_name = aws_transfer_user.sftp[each.value.agency].user_name
  body      = each.value.key
}

output "sftp_endpoint" {
  description = "Host of the SFTP server, for agencies; null without one."
  value       = one(aws_transfer_server.sftp[*].endpoint)
}
