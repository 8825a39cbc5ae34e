# What each component of the chart may do in AWS: queues, emails, attachments, keys and metrics. Its part of the data
# bucket is in permissions_data.tf. The daemon and the read-only webserver have no role, so they are not here.

locals {
  # Component → policy → statements. irsa.tf creates a role for each, docs/reference/iam-actions.md has a heading for each policy.
  # `commands` is the pod in which people run etl-platform.
  permissions = {
    gateway  = merge(local.queue_policies["gateway"], { kms = [local.use_keys["sqs"]] })
    metrics  = merge(local.queue_policies["metrics"], { queue_ages = [local.ask_metrics], file_processing_s3 = [local.read_overview], kms = [local.use_keys["s3"]] })
    doctor   = merge(local.queue_policies["doctor"], local.doctor_policies, { file_processing_s3 = local.data_statements["doctor"] })
    ui       = { file_processing_s3 = local.data_statements["ui"], kms = [local.use_keys["s3"]] }
    code     = merge(local.queue_policies["code"], { file_processing_s3 = local.data_statements["code"], kms = values(local.use_keys), delivery_events = local.publish_events })
    run      = merge(local.queue_policies["run"], local.job_policies, { file_processing_s3 = local.data_statements["run"] })
    commands = merge(local.queue_policies["commands"], local.job_policies, { file_processing_s3 = local.data_statements["commands"], queue_ages = [local.ask_metrics], delivery_events = local.publish_events })
    # Runs of retention_job. Without erase_after_retention they list what is due.
    retention = {
      file_processing_s3 = local.data_statements["retention"]
      erase              = [for statement in local.erase_statements : statement if !contains(var.erase_after_retention ? ["BypassLock"] : ["BypassLock", "Erase", "WriteTombstones"], statement.Sid)]
    }
  }

  look    = ["sqs:GetQueueAttributes"]
  consume = ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"]
  send    = ["sqs:SendMessage"]

  # Actions on a queue and on its dead-letter queue.
  queue_access = {
    gateway  = { queue = concat(local.send, local.look), dead_letters = [], of = ["file-processing"] }
    metrics  = { queue = local.look, dead_letters = local.look, of = keys(local.queues) }
    doctor   = { queue = local.look, dead_letters = local.look, of = keys(local.queues) }
    code     = { queue = concat(local.consume, local.look), dead_letters = concat(local.send, local.look), of = keys(local.queues) }
    run      = { queue = local.consume, dead_letters = local.send, of = keys(local.queues) }
    commands = { queue = concat(local.consume, local.send, local.look), dead_letters = concat(local.consume, local.send, local.look), of = keys(local.queues) }
  }

  queue_policies = {
    for component, access in local.queue_access : component => {
      for name in access.of : name => concat(
        [
          for target in [
            { Sid = "Queue", Action = access.queue, Resource = local.queue[name].arn },
            { Sid = "DeadLetters", Action = access.dead_letters, Resource = local.dead_letters[name].arn },
          ] : merge(target, { Effect = "Allow" }) if length(target.Action) > 0
        ],
        # What its job does with a bucket of its own.
        [for statement in local.queues[name].bucket_statements : statement if contains(["run", "commands"], component)],
        [for statement in [local.ask_email_setup] : statement if name == "email-archive" && contains(local.doctors, component)],
      )
    }
  }

  # What jobs need beside queues and data bucket, whether a run or a person starts them.
  job_policies = {
    attachments = [for statement in local.attachments_statements : statement if local.copies_attachments]
    kms         = concat(values(local.use_keys), [local.ask_keys])
  }

  doctor_policies = {
    email-archive = concat(local.queue_policies["doctor"]["email-archive"], [local.list_emails])
    attachments   = [for statement in local.attachments_statements : statement if local.copies_attachments && statement.Sid == "ListBuckets"]
    kms           = [local.use_keys["s3"], local.ask_keys]

    delivery_events = local.ask_events_topic
  }

  list_emails = {
    Sid       = "ListEmails"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.email_bucket_arn]
    Condition = { StringLikeIfExists = { "s3:prefix" = "emails/*" } }
  }

  ask_email_setup = {
    Sid      = "AskSetup"
    Effect   = "Allow"
    Action   = slice(local.ask_setup, 0, 3) # its notifications are not the platform's
    Resource = [local.email_bucket_arn]
  }

  email_bucket_statements = [
    local.list_emails,
    {
      Sid      = "KeepEmails"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = ["${local.email_bucket_arn}/emails/*"]
    },
  ]

  copies_attachments          = var.attachments_source_bucket != ""
  attachments_source_arn      = "arn:${local.partition}:s3:::${var.attachments_source_bucket}"
  attachments_destination_arn = "arn:${local.partition}:s3:::${var.attachments_destination_bucket}"

  attachments_statements = [
    {
      # The keys come from the application's database and may be anywhere in the bucket.
      Sid      = "ListBuckets"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [local.attachments_source_arn, local.attachments_destination_arn]
    },
    {
      Sid      = "AskEncryption"
      Effect   = "Allow"
      Action   = ["s3:GetEncryptionConfiguration"]
      Resource = [local.attachments_source_arn, local.attachments_destination_arn]
    },
    {
      Sid      = "ReadSource"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectTagging"]
      Resource = ["${local.attachments_source_arn}/*"]
    },
    {
      Sid      = "WriteCopies"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"]
      Resource = ["${local.attachments_destination_arn}/attachments/*"]
    },
  ]

  usable_keys = concat([aws_kms_key.data.arn], var.kms_key_arns)

  # A key can be used only through the service that holds what it encrypts.
  use_keys = {
    for service in ["s3", "sqs"] : service => {
      Sid       = "Through${title(service)}"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = local.usable_keys
      Condition = { StringEquals = { "kms:ViaService" = "${service}.${var.aws_region}.${data.aws_partition.current.dns_suffix}" } }
    }
  }

  ask_keys = { Sid = "AskKeys", Effect = "Allow", Action = ["kms:DescribeKey"], Resource = local.usable_keys }

  # IAM cannot restrict GetMetricData to a resource. It reads metrics only.
  ask_metrics = { Sid = "AskMetrics", Effect = "Allow", Action = ["cloudwatch:GetMetricData"], Resource = ["*"] }
}
