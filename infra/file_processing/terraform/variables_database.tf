# Inputs: Dagster's database, alarms and logs.

variable "db_name" {
  description = "Name of Dagster's database."
  type        = string
  default     = "dagster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.db_name))
    error_message = "db_name takes lower-case letters, digits and underscores, and begins with a letter."
  }
}

variable "db_username" {
  description = "Owner of Dagster's database. Dagster itself logs in as <owner>_service."
  type        = string
  default     = "dagster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.db_username)) && !contains(["admin", "postgres", "rdsadmin"], var.db_username)
    error_message = "db_username takes lower-case letters, digits and underscores, begins with a letter, and is not a name that RDS reserves."
  }
}

variable "db_password" {
  description = "Password of the owner. Null: RDS creates one, keeps it in Secrets Manager and rotates it after db_password_rotation_days."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.db_password == null || can(regex("^[!-~]{16,128}$", var.db_password)) && !can(regex("[/@\"]", var.db_password))
    error_message = "db_password takes 16 to 128 ASCII characters without space, /, @ and \", which RDS refuses."
  }
}

variable "db_password_version" {
  description = "Increase it to set a changed db_password: Terraform does not store the password, so it cannot compare."
  type        = number
  default     = 1
  nullable    = false
}

variable "db_password_rotation_days" {
  description = "Days after which RDS rotates the password of the owner that it created. Pods do not have it."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.db_password_rotation_days >= 1 && var.db_password_rotation_days <= 1000
    error_message = "db_password_rotation_days takes 1 to 1000."
  }
}

variable "db_instance_class" {
  description = "Instance class of the database."
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
  description = "Refuse to destroy the database. Set it to false and apply before manage.sh destroy, which takes a final snapshot."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_emails" {
  description = "Addresses that get a mail for each alarm, once they have confirmed. Someone must hear: set this or alarm_topic_arn."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails takes addresses such as on-call@example.gov."
  }
}

variable "alarm_topic_arn" {
  description = "ARN of an existing SNS topic for alarms. It must admit cloudwatch.amazonaws.com."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn takes the ARN of an SNS topic, or nothing."
  }
}

variable "queue_age_alarm_seconds" {
  description = "Seconds that the oldest message may wait before its alarm."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.queue_age_alarm_seconds >= 60
    error_message = "queue_age_alarm_seconds takes 60 or more."
  }
}

variable "log_days" {
  description = "Days that the logs of the cluster and the database are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days takes a retention that CloudWatch Logs supports, such as 90, 180, 365 or 731."
  }
}
