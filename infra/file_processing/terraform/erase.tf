# The role for `etl-platform erase`, which people assume, and what runs of retention_job may erase. No other pod erases.
# docs/operate/erase.md says when.

locals {
  erased_prefixes = concat(local.arrival_prefixes, ["bronze/", "silver/", "quarantine/", "reports/", "exports/"])

  erase_statements = [
    {
      Sid       = "ListWithVersions"
      Effect    = "Allow"
      Action    = ["s3:ListBucket", "s3:ListBucketVersions"]
      Resource  = local.data_bucket_arn
      Condition = { StringLikeIfExists = { "s3:prefix" = [for prefix in local.erased_prefixes : "${prefix}*"] } }
    },
    {
      # Hashes of files that were never processed, and the delivery of each silver object.
      Sid      = "ReadWhatGoes"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = [for prefix in local.erased_prefixes : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      Sid      = "Erase"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      Resource = [for prefix in local.erased_prefixes : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      # People only, with --bypass-lock: what contracts erase waits for the end of its lock.
      Sid      = "BypassLock"
      Effect   = "Allow"
      Action   = "s3:BypassGovernanceRetention"
      Resource = [for prefix in local.erased_prefixes : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      Sid      = "WriteTombstones"
      Effect   = "Allow"
      Action   = "s3:PutObject"
      Resource = "${local.data_bucket_arn}/reports/*"
    },
    {
      Sid      = "ThroughS3"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = local.usable_keys
      Condition = {
        StringEquals = { "kms:ViaService" = "s3.${var.aws_region}.${data.aws_partition.current.dns_suffix}" }
      }
    },
  ]
}

variable "erase_principal_arns" {
  description = "IAM roles or users that may assume the role that erases files. Empty: there is no such role."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.erase_principal_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "erase_principal_arns takes ARNs of roles and users, such as arn:<partition>:iam::111122223333:role/records-officer; not *, and not a whole account."
  }
}

variable "erase_after_retention" {
  description = "Let runs of retention_job erase files whose retention has ended, as contracts say. False: they only list them."
  type        = bool
  default     = false
  nullable    = false
}

resource "aws_iam_role" "erase" {
  count = length(var.erase_principal_arns) == 0 ? 0 : 1

  name                 = "${var.cluster_name}-erase"
  description          = "People who erase files of agencies in ${var.bucket_name}"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = var.erase_principal_arns }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_policy" "erase" {
  count = length(aws_iam_role.erase)

  name        = "${var.cluster_name}-erase"
  description = "Removes every version of what agencies sent, and of what was made from it"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.erase_statements })
}

resource "aws_iam_role_policy_attachment" "erase" {
  count = length(aws_iam_policy.erase)

  role       = aws_iam_role.erase[0].name
  policy_arn = aws_iam_policy.erase[0].arn
}

output "erase_role_arn" {
  description = "Role that people assume to erase files. Empty: there is none."
  value       = one(aws_iam_role.erase[*].arn) == null ? "" : aws_iam_role.erase[0].arn
}
