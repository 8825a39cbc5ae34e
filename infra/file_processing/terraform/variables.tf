# Inputs. Names that users have in their tfvars stay as they are.

variable "aws_profile" {
  description = "Profile of the AWS configuration. Empty: credentials come from the environment."
  type        = string
  default     = "etl-playground"
  nullable    = false
}

variable "aws_region" {
  description = "Region of everything here, and of the foundation network."
  type        = string
  default     = "us-gov-west-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "aws_region takes the name of a region, such as us-gov-west-1."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
  nullable    = false
}

# Network

variable "foundation_name_prefix" {
  description = "Finds the VPC named <prefix>-vpc and its subnets named <prefix>-private-*; name_prefix of foundation_network."
  type        = string
  default     = "etl-platform"
  nullable    = false
}

variable "vpc_id" {
  description = "VPC to use instead of the one that is found by its name."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(vpc-[0-9a-f]+)?$", var.vpc_id))
    error_message = "vpc_id takes the id of a VPC, such as vpc-0a1b2c3d, or nothing."
  }
}

variable "private_subnet_ids" {
  description = "Private subnets to use instead of those that are found by their names; in two zones at least."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.private_subnet_ids) != 1 && alltrue([for id in var.private_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "private_subnet_ids takes two or more ids of subnets, such as subnet-0a1b2c3d, or nothing."
  }
}

# Cluster

variable "cluster_name" {
  description = "EKS cluster."
  type        = string
  default     = "file-processing-cluster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,59}$", var.cluster_name))
    error_message = "cluster_name takes at most 60 letters, digits and hyphens."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes of the cluster and its nodes."
  type        = string
  default     = "1.33"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version takes a minor version, such as 1.33."
  }
}

variable "public_access_cidrs" {
  description = "Networks from which kubectl, helm and manage.sh may reach the cluster's API over the internet. Empty: only from inside the VPC."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "public_access_cidrs takes networks such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "node_instance_types" {
  description = "Instance types of the nodes. A run asks for about 1 GiB, and MAX_RUNS_IN_FLIGHT (10) of them may be there at once."
  type        = list(string)
  default     = ["m6i.large"]
  nullable    = false

  validation {
    condition     = length(var.node_instance_types) > 0
    error_message = "node_instance_types takes one type at least, such as m6i.large."
  }
}

variable "node_count" {
  description = "Nodes: least, most, and how many to begin with."
  type        = object({ min = number, max = number, desired = number })
  default     = { min = 2, max = 6, desired = 2 }
  nullable    = false

  validation {
    condition     = var.node_count.min >= 1 && var.node_count.min <= var.node_count.desired && var.node_count.desired <= var.node_count.max
    error_message = "node_count takes 1 <= min <= desired <= max."
  }
}

variable "oidc_thumbprint" {
  description = "SHA-1 thumbprint of the OIDC issuer's certificate. Empty: IAM finds it by itself."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([0-9a-f]{40})?$", var.oidc_thumbprint))
    error_message = "oidc_thumbprint takes 40 hex digits in small letters without colons, or nothing."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the release."
  type        = string
  default     = "file-processing"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "namespace takes small letters, digits and hyphens, 63 at most: the role trusts exactly this name."
  }
}

variable "service_account_name" {
  description = "Kubernetes service account that may take the role."
  type        = string
  default     = "file-processing-sa"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.service_account_name))
    error_message = "service_account_name takes small letters, digits, dots and hyphens: the role trusts exactly this name."
  }
}

# Image

variable "ecr_repository_name" {
  description = "ECR repository of the image."
  type        = string
  default     = "etl-file-processing"
  nullable    = false
}

variable "image" {
  description = "Image that helm deploys, best with its digest. Empty: the one in container_image.txt, which ecr_put.sh writes."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(\\S+(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]*))?$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image takes registry/repository@sha256:<digest> or registry/repository:<tag>, and not the tag latest, which is another image tomorrow."
  }
}

# Files in, and where they lie

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

variable "visibility_timeout_seconds" {
  description = "How long a received message stays hidden; the platform's VISIBILITY_TIMEOUT_SECONDS."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.visibility_timeout_seconds >= 10 && var.visibility_timeout_seconds <= 43200
    error_message = "visibility_timeout_seconds takes 10 to 43200."
  }
}

# Emails

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

# Attachments

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

# Dagster's database

variable "db_name" {
  description = "Database of Dagster's storage."
  type        = string
  default     = "dagster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.db_name))
    error_message = "db_name takes small letters, digits and underscores, and begins with a letter."
  }
}

variable "db_username" {
  description = "Its owner."
  type        = string
  default     = "dagster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.db_username)) && !contains(["admin", "postgres", "rdsadmin"], var.db_username)
    error_message = "db_username takes small letters, digits and underscores, begins with a letter, and is none that RDS keeps for itself."
  }
}

variable "db_password" {
  description = "Its password. Null: RDS makes one, keeps it in Secrets Manager and rotates it."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.db_password == null || can(regex("^[!-~]{16,128}$", var.db_password)) && !can(regex("[/@\"]", var.db_password))
    error_message = "db_password takes 16 to 128 ASCII characters without space, /, @ and \", which RDS refuses."
  }
}

variable "db_password_version" {
  description = "Raise it to set a changed db_password: Terraform keeps no password to compare with."
  type        = number
  default     = 1
  nullable    = false
}

variable "db_instance_class" {
  description = "Size of the database."
  type        = string
  default     = "db.t4g.medium"
  nullable    = false

  validation {
    condition     = startswith(var.db_instance_class, "db.")
    error_message = "db_instance_class takes a class such as db.t4g.medium."
  }
}

variable "db_multi_az" {
  description = "A standby in another zone."
  type        = bool
  default     = true
  nullable    = false
}

variable "db_backup_days" {
  description = "Days that automatic backups are kept."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.db_backup_days >= 1 && var.db_backup_days <= 35
    error_message = "db_backup_days takes 1 to 35."
  }
}

variable "db_deletion_protection" {
  description = "Refuse to destroy the database. Set it to false and apply before manage.sh destroy; a last snapshot is taken then."
  type        = bool
  default     = true
  nullable    = false
}

# Alarms

variable "alarm_topic_arn" {
  description = "SNS topic that alarms are sent to. Empty: they only show in CloudWatch."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn takes the ARN of an SNS topic, or nothing."
  }
}

variable "queue_age_alarm_seconds" {
  description = "Age of the oldest message that is too old."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.queue_age_alarm_seconds >= 60
    error_message = "queue_age_alarm_seconds takes 60 or more."
  }
}

variable "log_days" {
  description = "Days that the cluster's and the database's logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days takes a retention that CloudWatch Logs knows, such as 90, 180, 365 or 731."
  }
}
