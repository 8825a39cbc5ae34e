# Inputs: buckets, topic, queues, and the keys of existing ones.

variable "bucket_name" {
  description = "Data bucket: source files, bronze, silver, quarantine and reports."
  type        = string
  default     = "etl-file-processing-client-etl"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name takes the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "create_bucket" {
  description = "Create the data bucket; it cannot be destroyed while it holds objects. False: it exists, and only its notifications are changed."
  type        = bool
  default     = false
  nullable    = false
}

variable "bucket_is_versioned" {
  description = "Set to true once `aws s3api get-bucket-versioning` shows Enabled for an existing bucket; Terraform cannot read it."
  type        = bool
  default     = false
  nullable    = false
}

variable "create_s3_notifications" {
  description = "Notify the topic of every object that is created under source_prefix in the data bucket."
  type        = bool
  default     = false
  nullable    = false
}

variable "source_prefix" {
  description = "Key prefix under which agencies deliver files: SOURCE_PREFIX."
  type        = string
  default     = "from_client/"
  nullable    = false

  validation {
    condition = can(regex("^[^/*?]+(/[^/*?]+)*/$", var.source_prefix)) && alltrue([
      for written in ["bronze/", "silver/", "quarantine/", "reports/", "exports/", "emails/", "attachments/", "from_api/", "dagster/"] :
      !startswith(var.source_prefix, written)
    ])
    error_message = "source_prefix takes a key prefix such as from_client/, outside of what the platform writes, or it would ingest its own output."
  }
}

variable "noncurrent_version_days" {
  description = "Days that an overwritten version of an object is kept, in a bucket that is created here."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 14
    error_message = "noncurrent_version_days takes 14 or more: a message may wait that long in SQS before its version is read."
  }
}

variable "object_lock_days" {
  description = "Days that no version of an object can be deleted, in a bucket that is created here. 0: none. A bucket that exists without it would be replaced."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.object_lock_days >= 0 && var.object_lock_days <= 36500
    error_message = "object_lock_days takes 0, or up to 36500 days."
  }
}

variable "data_trail_bucket" {
  description = "Existing bucket, best of a log account, to which CloudTrail writes who read and wrote objects of the data bucket. Empty: no trail is made."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.data_trail_bucket == "" || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.data_trail_bucket)) && var.data_trail_bucket != var.bucket_name
    error_message = "data_trail_bucket takes the name of a bucket other than the data bucket, or nothing."
  }
}

variable "data_is_trailed" {
  description = "Set to true if a trail of the account or organization records S3 data events of the data bucket; Terraform cannot read it."
  type        = bool
  default     = false
  nullable    = false
}

variable "topic_name" {
  description = "SNS topic between the bucket and the queue."
  type        = string
  default     = "file-processing-topic"
  nullable    = false
}

variable "delivery_events_topic_name" {
  description = "SNS topic for events of deliveries. Empty: no topic, and nothing is published."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,256}$", var.delivery_events_topic_name))
    error_message = "delivery_events_topic_name takes the name of a standard topic, or nothing."
  }
}

variable "sns_endpoint_url" {
  description = "HTTPS URL of the gateway, to subscribe it too. Empty: only the queue, which needs no gateway."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(https://[^\\s/]+(/\\S*)?)?$", var.sns_endpoint_url))
    error_message = "sns_endpoint_url takes a URL that starts with https://: file names may contain personal data and must be encrypted."
  }
}

variable "queue_name" {
  description = "Name of the SQS queue of file events."
  type        = string
  default     = "file-processing-queue"
  nullable    = false
}

variable "dlq_name" {
  description = "Name of its dead-letter queue."
  type        = string
  default     = "file-processing-dlq"
  nullable    = false
}

variable "create_email_queues" {
  description = "Create the email queue and its dead-letter queue. False: they exist in this account and region."
  type        = bool
  default     = false
  nullable    = false
}

variable "email_queue_name" {
  description = "Name of the SQS queue of the email validation service."
  type        = string
  default     = "email-validation-queue"
  nullable    = false
}

variable "email_dlq_name" {
  description = "Name of its dead-letter queue."
  type        = string
  default     = "email-validation-dlq"
  nullable    = false
}

variable "create_email_bucket" {
  description = "Create the bucket of the email archive. False: it exists."
  type        = bool
  default     = false
  nullable    = false
}

variable "email_bucket_name" {
  description = "Bucket of the email archive."
  type        = string
  default     = "etl-email-archive"
  nullable    = false
}

variable "attachments_source_bucket" {
  description = "Bucket that attachments are copied from. Empty: no attachments."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = (var.attachments_source_bucket == "") == (var.attachments_destination_bucket == "")
    error_message = "attachments_source_bucket and attachments_destination_bucket go together: set both or neither."
  }
}

variable "attachments_destination_bucket" {
  description = "Bucket that attachments are copied to. Empty: no attachments."
  type        = string
  default     = ""
  nullable    = false
}

variable "kms_key_arns" {
  description = "ARNs of the KMS keys of existing buckets and queues. Those created here have their own key."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "kms_key_arns takes ARNs of keys, arn:<partition>:kms:<region>:<account>:key/<id>; IAM cannot grant access by alias."
  }
}

variable "create_glue_tables" {
  description = "Create a Glue database with tables of silver and of the reports, for Athena."
  type        = bool
  default     = false
  nullable    = false
}

variable "glue_database_name" {
  description = "Name of the Glue database."
  type        = string
  default     = "etl_platform"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,254}$", var.glue_database_name))
    error_message = "glue_database_name takes lower-case letters, digits and _, and begins with a letter."
  }
}

variable "glue_agencies" {
  description = "Agencies that a query in Athena finds without naming them. Empty: each query names its agencies, WHERE agency = '...'."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for agency in var.glue_agencies : can(regex("^[A-Za-z0-9._~%-]{1,100}$", agency))])
    error_message = "glue_agencies takes partitions as the UI shows them, such as nm_albuquerque or nm%20albuquerque."
  }
}
