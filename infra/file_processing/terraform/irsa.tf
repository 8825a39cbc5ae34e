# A role for each component, which its service account alone can assume, and its policies. permissions.tf has the
# statements, docs/reference/iam-actions.md the calls that need them.

locals {
  issuer = replace(aws_iam_openid_connect_provider.eks.url, "https://", "")

  # Names of the chart's service accounts.
  service_accounts = { for component in keys(local.permissions) : component => component == "run" ? var.service_account_name : "file-processing-${component}" }

  policies = merge([
    for component, policies in local.permissions : {
      for name, statements in policies : "${component}/${name}" => jsonencode({ Version = "2012-10-17", Statement = statements })
      if length(statements) > 0
    }
  ]...)
}

resource "aws_iam_role" "component" {
  for_each = local.service_accounts

  name        = "${var.cluster_name}-${each.key == "run" ? each.value : each.key}"
  description = "Pods of ${var.namespace}/${each.value} in ${var.cluster_name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.eks.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.issuer}:sub" = "system:serviceaccount:${var.namespace}:${each.value}"
          "${local.issuer}:aud" = "sts.amazonaws.com"
        }
      }
    }]
  })
}

resource "aws_iam_policy" "component" {
  for_each = local.policies

  name        = "${var.cluster_name}-${replace(each.key, "/", "-")}"
  description = "${split("/", each.key)[1]} for ${split("/", each.key)[0]}"
  policy      = each.value
}

resource "aws_iam_role_policy_attachment" "component" {
  for_each = aws_iam_policy.component

  role       = aws_iam_role.component[split("/", each.key)[0]].name
  policy_arn = each.value.arn
}

# Until release 0.2 there was one role; its name is now that of runs.
moved {
  from = aws_iam_role.file_processing_sa
  to   = aws_iam_role.component["run"]
}
