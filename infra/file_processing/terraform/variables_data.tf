# Inputs: buckets, topic, queues, and the keys of those that are there already.

variable "bucket_name" {
  description = "Data bucket: what agencies send, bronze, silver, quarantine, reports."
  type        = string
  default     = "etl-file-processing-client-etl"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name takes the name of a bucket: 3 to 63 small letters, digits, dots and hyphens."
  }
}

variable "create_bucket" {
  description = "Make the data bucket, which is not destroyed while it holds anything. False: it is there already, and only its notifications are touched."
  type        = bool
  default     = false
  nullable    = false
}

variable "bucket_is_versioned" {
  description = "Say true once `aws s3api get-bucket-versioning` says Enabled of a bucket that is there already; Terraform can't ask."
  type        = bool
  default     = false
  nullable    = false
}

variable "create_s3_notifications" {
  description = "Let the data bucket tell the topic of every object that is created under source_prefix."
  type        = bool
  default     = false
  nullable    = false
}

variable "source_prefix" {
  description = "Where agencies drop files; the platform's SOURCE_PREFIX."
  type        = string
  default     = "from_client/"
  nullable    = false

  validation {
    condition = can(regex("^[^/*?]+(/[^/*?]+)*/$", var.source_prefix)) && alltrue([
      for written in ["bronze/", "silver/", "quarantine/", "reports/", "exports/", "emails/", "attachments/", "from_api/", "dagster/"] :
      !startswith(var.source_prefix, written)
    ])
    error_message = "source_prefix takes a key prefix such as from_client/, outside of what the platform writes: it would feed on its own output."
  }
}

variable "noncurrent_version_days" {
  description = "Days that the overwritten version of an object is kept, in a bucket that is made here."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 14
    error_message = "noncurrent_version_days takes 14 or more: a message may wait so long in SQS before its version is read."
  }
}

variable "topic_name" {
  description = "SNS topic between the bucket and the queue."
  type        = string
  default     = "file-processing-topic"
  nullable    = false
}

variable "sns_endpoint_url" {
  description = "HTTPS address of the gateway to subscribe as well. Empty: the queue alone, which needs no gateway."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(https://[^\\s/]+(/\\S*)?)?$", var.sns_endpoint_url))
    error_message = "sns_endpoint_url takes an address that starts with https://: file names of persons must not travel in the clear."
  }
}

variable "queue_name" {
  description = "SQS queue of the file events."
  type        = string
  default     = "file-processing-queue"
  nullable    = false
}

variable "dlq_name" {
  description = "Its dead-letter queue."
  type        = string
  default     = "file-processing-dlq"
  nullable    = false
}

variable "create_email_queues" {
  description = "Make the email queue and its dead-letter queue. False: they are there already, in this account and region."
  type        = bool
  default     = false
  nullable    = false
}

variable "email_queue_name" {
  description = "SQS queue of the email validation service."
  type        = string
  default     = "email-validation-queue"
  nullable    = false
}

variable "email_dlq_name" {
  description = "Its dead-letter queue."
  type        = string
  default     = "email-validation-dlq"
  nullable    = false
}

variable "create_email_bucket" {
  description = "Make the bucket of the email archive. False: it is there already."
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
  description = "KMS keys of buckets and queues that are there already. Those that are made here have a key of their own."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "kms_key_arns takes ARNs of keys, arn:<partition>:kms:<region>:<account>:key/<id>; IAM can't grant by alias."
  }
}
