# What each component may do below which prefix of the data bucket. The prefixes are those of etl_platform/object_keys.py.

locals {
  compute_logs_prefix = "dagster/compute_logs/"
  arrival_prefixes    = [var.source_prefix, "from_api/"]
  # contracts/ is used if the chart reads its contracts from S3.
  data_prefixes = distinct(concat(local.arrival_prefixes, ["bronze/", "silver/", "quarantine/", "reports/", "exports/", "contracts/"]))

  # Written again and again: a newer file replaces silver, `_index` and `_waiting` are made from what is in S3.
  replaced_prefixes = ["from_api/", "silver/", "quarantine/", "exports/", "reports/_index/", "reports/_waiting/", "reports/_notices/"]

  # Components in which `etl-platform doctor` runs.
  doctors   = ["doctor", "commands"]
  ask_setup = ["s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock", "s3:GetEncryptionConfiguration", "s3:GetBucketNotification"]

  # Prefixes by component. `create` is a write that S3 refuses if the key exists.
  data_access = {
    doctor = {
      list   = [var.source_prefix, "contracts/"], versions = [], read = ["contracts/", "reports/_notices/_outbox.json"], read_tags = []
      create = [], write = [], delete = []
    }
    ui = {
      list   = [local.compute_logs_prefix], versions = [], read = [local.compute_logs_prefix], read_tags = []
      create = [], write = [], delete = []
    }
    code = {
      list   = local.data_prefixes, versions = local.arrival_prefixes, read = concat(local.arrival_prefixes, ["reports/", "contracts/"]), read_tags = []
      create = ["reports/_ignored/"], write = ["reports/_index/", "reports/_notices/", local.compute_logs_prefix], delete = []
    }
    run = {
      # What a run replaced in silver returns if its file is refused under another contract.
      list   = local.data_prefixes, versions = concat(local.arrival_prefixes, ["silver/"]), read = local.data_prefixes
      create = ["reports/"], write = concat(local.replaced_prefixes, ["bronze/", local.compute_logs_prefix])
      delete = ["quarantine/", "silver/", "reports/_waiting/"], read_tags = local.arrival_prefixes
    }
    commands = {
      list   = local.data_prefixes, versions = concat(local.arrival_prefixes, ["silver/"]), read = local.data_prefixes
      create = ["reports/", "quarantine/_corrections/"], write = concat(local.replaced_prefixes, ["bronze/", "reports/_agencies.json", local.compute_logs_prefix])
      delete = ["quarantine/", "silver/", "reports/_waiting/"], read_tags = local.arrival_prefixes
    }
    # What its runs have beside the statements of erase.tf.
    retention = {
      list   = ["contracts/"], versions = [], read = ["contracts/"], read_tags = []
      create = [], write = [local.compute_logs_prefix], delete = []
    }
  }

  data_statements = {
    for component, access in local.data_access : component => concat([for statement in local.never : statement if component != "retention" || !var.erase_after_retention], [
      for statement in [
        {
          # IfExists: S3 answers 404 for a missing object only if the caller may list the bucket, and checks that without
          # a prefix. With 403 the platform would treat a missing file as an outage and retry it.
          Sid       = "ListPrefixes"
          Action    = ["s3:ListBucket"]
          Resource  = [local.data_bucket_arn]
          Condition = { StringLikeIfExists = { "s3:prefix" = [for prefix in access.list : "${prefix}*"] } }
        },
        {
          Sid       = "ListVersions"
          Action    = ["s3:ListBucketVersions"]
          Resource  = [for prefix in slice(access.versions, 0, min(1, length(access.versions))) : local.data_bucket_arn]
          Condition = { StringLike = { "s3:prefix" = [for prefix in access.versions : "${prefix}*"] } }
        },
        {
          Sid       = "AskVersioning"
          Action    = ["s3:GetBucketVersioning"]
          Resource  = [for bucket in [local.data_bucket_arn] : bucket if component != "ui"]
          Condition = {}
        },
        {
          # How an existing bucket is set up; `etl-platform doctor` asks.
          Sid       = "AskSetup"
          Action    = local.ask_setup
          Resource  = [for bucket in [local.data_bucket_arn] : bucket if contains(local.doctors, component)]
          Condition = {}
        },
        {
          Sid       = "Read"
          Action    = ["s3:GetObject", "s3:GetObjectVersion"]
          Resource  = [for prefix in access.read : "${local.data_bucket_arn}/${prefix}*"]
          Condition = {}
        },
        {
          Sid       = "Write"
          Action    = ["s3:PutObject", "s3:AbortMultipartUpload"]
          Resource  = [for prefix in access.write : "${local.data_bucket_arn}/${prefix}*"]
          Condition = {}
        },
        {
          # Reports and corrections are never written a second time.
          Sid       = "Create"
          Action    = ["s3:PutObject"]
          Resource  = [for prefix in access.create : "${local.data_bucket_arn}/${prefix}*"]
          Condition = { Null = { "s3:if-none-match" = "false" } }
        },
        {
          Sid       = "ReadTagsOfArrivals"
          Action    = ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"]
          Resource  = [for prefix in access.read_tags : "${local.data_bucket_arn}/${prefix}*"]
          Condition = {}
        },
        {
          Sid       = "CopyTagsToBronze"
          Action    = ["s3:PutObjectTagging"]
          Resource  = [for prefix in slice(access.read_tags, 0, min(1, length(access.read_tags))) : "${local.data_bucket_arn}/bronze/*"]
          Condition = {}
        },
        {
          Sid       = "Remove"
          Action    = ["s3:DeleteObject"]
          Resource  = [for prefix in access.delete : "${local.data_bucket_arn}/${prefix}*"]
          Condition = {}
        },
      ] : merge({ for key, value in statement : key => value if key != "Condition" || length(statement.Condition) > 0 }, { Effect = "Allow" }) if length(statement.Resource) > 0
    ])
  }

  # One object, and no list: the gateway serves it as /overview. It has no value of a row.
  read_overview = {
    Sid      = "ReadOverview"
    Effect   = "Allow"
    Action   = ["s3:GetObject"]
    Resource = ["${local.data_bucket_arn}/reports/_index/overview.html"]
  }

  # Denied even if another policy allows it.
  never = [
    {
      Sid      = "NeverRemove"
      Effect   = "Deny"
      Action   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      Resource = [for prefix in concat(local.arrival_prefixes, ["bronze/", "quarantine/_corrections/"]) : "${local.data_bucket_arn}/${prefix}*"]
    },
    {
      Sid       = "NeverReplace"
      Effect    = "Deny"
      Action    = ["s3:PutObject"]
      Resource  = ["${local.data_bucket_arn}/quarantine/_corrections/*"]
      Condition = { Null = { "s3:if-none-match" = "true" } }
    },
  ]
}
