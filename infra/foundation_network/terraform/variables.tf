# Inputs. file_processing finds this network by name_prefix.

variable "aws_profile" {
  description = "Profile of the AWS configuration. Empty: credentials from the environment."
  type        = string
  default     = "etl-playground"
  nullable    = false
}

variable "aws_region" {
  description = "Region of all resources."
  type        = string
  default     = "us-gov-west-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "aws_region takes the name of a region, such as us-gov-west-1."
  }
}

variable "name_prefix" {
  description = "Prefix of the names of VPC and subnets; foundation_name_prefix of the stack file_processing."
  type        = string
  default     = "etl-platform"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix takes 3 to 40 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, split into 16 blocks: private subnets use the first ones, public subnets those from the ninth."
  type        = string
  default     = "10.40.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 20, false)
    error_message = "vpc_cidr takes an IPv4 block from /16 to /20, such as 10.40.0.0/16: EKS gives every pod an address."
  }
}

variable "zone_letters" {
  description = "Availability zones, each with a private and a public subnet. EKS and RDS need at least two. They are named, because with a list from AWS the subnets would move when AWS opens a zone."
  type        = list(string)
  default     = ["a", "b"]
  nullable    = false

  validation {
    condition     = length(distinct(var.zone_letters)) == length(var.zone_letters) && length(var.zone_letters) >= 2 && length(var.zone_letters) <= 8 && alltrue([for letter in var.zone_letters : can(regex("^[a-z]$", letter))])
    error_message = "zone_letters takes 2 to 8 different letters, such as [\"a\", \"b\"]."
  }
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones: cheaper, but if its zone fails, nothing here reaches the internet. False: one per zone."
  type        = bool
  default     = true
  nullable    = false
}

variable "internet_access" {
  description = "NAT gateways for the private subnets. False: pods and nodes reach S3 and interface_endpoints only."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.internet_access || length(setsubtract(["ec2", "ecr.api", "ecr.dkr", "eks", "logs", "sqs", "sts"], var.interface_endpoints)) == 0
    error_message = "internet_access = false needs at least these interface_endpoints: ec2, ecr.api, ecr.dkr, eks, logs, sqs, sts; nodes and pods start with them."
  }
}

variable "interface_endpoints" {
  description = "AWS services with an address inside the VPC, as in com.amazonaws.<region>.<service>. Each costs by the hour and zone. Empty: their traffic takes the NAT gateway."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9][a-z0-9.-]+$", service)) && service != "s3"])
    error_message = "interface_endpoints takes names such as sqs, ecr.api or kms-fips; S3 has its own."
  }
}

variable "bucket_accounts" {
  description = "Other accounts whose buckets are reached, such as the owner of attachments. This account's are."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for account in var.bucket_accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "bucket_accounts takes ids of accounts, 12 digits each."
  }
}

variable "cluster_name" {
  description = "EKS cluster that will use this network; its load balancers find their subnets by a tag with this name."
  type        = string
  default     = "file-processing-cluster"
  nullable    = false
}

variable "flow_log_days" {
  description = "Days that VPC flow logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.flow_log_days)
    error_message = "flow_log_days takes a retention that CloudWatch Logs supports, such as 90, 180, 365 or 731."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
  nullable    = false
}
