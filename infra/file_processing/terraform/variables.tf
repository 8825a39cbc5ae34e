# Inputs: provider, network, cluster, image. Do not rename one: users have them in their tfvars.

variable "aws_profile" {
  description = "Profile of the AWS configuration. Empty: credentials from the environment."
  type        = string
  default     = "etl-playground"
  nullable    = false
}

variable "aws_region" {
  description = "Region of all resources, and of the foundation network."
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
  description = "name_prefix of foundation_network: the VPC is named <prefix>-vpc, its subnets <prefix>-private-*."
  type        = string
  default     = "etl-platform"
  nullable    = false
}

variable "vpc_id" {
  description = "VPC to use instead of the one found by its name."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(vpc-[0-9a-f]+)?$", var.vpc_id))
    error_message = "vpc_id takes the id of a VPC, such as vpc-0a1b2c3d, or nothing."
  }
}

variable "private_subnet_ids" {
  description = "Private subnets to use instead of those found by their names; in at least two zones."
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
  description = "Name of the EKS cluster."
  type        = string
  default     = "file-processing-cluster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,43}[a-z0-9]$", var.cluster_name)) && !strcontains(var.cluster_name, "--")
    error_message = "cluster_name takes 2 to 45 lower-case letters, digits and single hyphens, and begins with a letter: roles and the database are named after it."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes version of the cluster and its nodes."
  type        = string
  default     = "1.36"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version takes a minor version, such as 1.36."
  }
}

variable "public_access_cidrs" {
  description = "Networks from which kubectl, helm and manage.sh may reach the cluster's API over the internet. Empty: none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "public_access_cidrs takes networks such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "private_access_cidrs" {
  description = "Networks in the VPC, or routed to it, from which kubectl, helm and manage.sh may reach the cluster's API at its private address."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.private_access_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "private_access_cidrs takes networks such as 10.40.0.0/16, and not the whole internet."
  }
}

variable "cluster_admin_arns" {
  description = "ARNs of IAM roles and users that may deploy and read, besides the identity that created the cluster. Do not list that one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.cluster_admin_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "cluster_admin_arns takes ARNs of roles and users, arn:<partition>:iam::<account>:role/<name>; for a session, use the ARN of its role."
  }
}

variable "cluster_viewer_arns" {
  description = "ARNs of IAM roles and users that may look at the release's namespace, and change nothing."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.cluster_viewer_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "cluster_viewer_arns takes ARNs of roles and users, arn:<partition>:iam::<account>:role/<name>; for a session, use the ARN of its role."
  }

  validation {
    condition     = length(setintersection(var.cluster_viewer_arns, var.cluster_admin_arns)) == 0
    error_message = "cluster_viewer_arns names a role that is in cluster_admin_arns too; EKS takes one entry for each."
  }
}

variable "node_instance_types" {
  description = "Instance types of the nodes. A run requests one CPU and 1 GiB: three runs fit on an m6i.xlarge beside the pods that every node has."
  type        = list(string)
  default     = ["m6i.xlarge"]
  nullable    = false

  validation {
    condition     = length(var.node_instance_types) > 0
    error_message = "node_instance_types takes at least one type, such as m6i.xlarge."
  }
}

variable "node_count" {
  description = "Number of nodes: minimum, maximum, and at the start. Four nodes hold the ten runs that may run at once; only an autoscaler or a person adds more."
  type        = object({ min = number, max = number, desired = number })
  default     = { min = 2, max = 6, desired = 4 }
  nullable    = false

  validation {
    condition     = var.node_count.min >= 1 && var.node_count.min <= var.node_count.desired && var.node_count.desired <= var.node_count.max
    error_message = "node_count takes 1 <= min <= desired <= max."
  }
}

variable "oidc_thumbprint" {
  description = "SHA-1 thumbprint of the OIDC issuer's certificate. Empty: IAM determines it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([0-9a-f]{40})?$", var.oidc_thumbprint))
    error_message = "oidc_thumbprint takes 40 lower-case hex digits without colons, or nothing."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the release."
  type        = string
  default     = "file-processing"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "namespace takes up to 63 lower-case letters, digits and hyphens: the role trusts exactly this name."
  }
}

variable "service_account_name" {
  description = "Kubernetes service account of runs; those of the other components have fixed names."
  type        = string
  default     = "file-processing-sa"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", var.service_account_name))
    error_message = "service_account_name takes lower-case letters, digits, dots and hyphens: the role trusts exactly this name."
  }

  validation {
    condition     = length("${var.cluster_name}-${var.service_account_name}") <= 64
    error_message = "service_account_name and cluster_name have at most 63 characters together: the role is named after both."
  }
}

# Image

variable "ecr_repository_name" {
  description = "Name of the image's ECR repository."
  type        = string
  default     = "etl-file-processing"
  nullable    = false
}

variable "image" {
  description = "Image that helm deploys, preferably by its digest. Empty: the one in container_image.txt, which ecr_put.sh writes."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(\\S+(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]*))?$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image takes registry/repository@sha256:<digest> or registry/repository:<tag>, and not the tag latest, which changes with every push."
  }
}
