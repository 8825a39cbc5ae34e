# The cluster as an identity provider of this account. Import an existing one under this address.

resource "aws_iam_openid_connect_provider" "eks" {
  url             = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = var.oidc_thumbprint == "" ? null : [var.oidc_thumbprint]
}
