# Inputs: provider, network, cluster, image. Names that users have in their tfvars stay as they are.

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
