# The topic to which events of deliveries are published, and the permission to do so. There is none without a name.
# Who subscribes is up to you. Events name agencies, datasets and files, and have no value of a row.

resource "aws_sns_topic" "delivery_events" {
  count = var.delivery_events_topic_name == "" ? 0 : 1

  name              = var.delivery_events_topic_name
  kms_master_key_id = aws_kms_key.data.arn
  signature_version = 2
}

locals {
  delivery_events_statements = [
    {
      # GetTopicAttributes is what `etl-platform doctor` asks.
      Sid      = "PublishEvents"
      Effect   = "Allow"
      Action   = ["sns:Publish", "sns:GetTopicAttributes"]
      Resource = one(aws_sns_topic.delivery_events[*].arn)
    },
    {
      Sid       = "ThroughSns"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = aws_kms_key.data.arn
      Condition = { StringEquals = { "kms:ViaService" = "sns.${var.aws_region}.${data.aws_partition.current.dns_suffix}" } }
    },
  ]
}

resource "aws_iam_policy" "delivery_events" {
  count = length(aws_sns_topic.delivery_events)

  name        = "${var.cluster_name}-delivery-events"
  description = "Publish to ${var.delivery_events_topic_name}"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.delivery_events_statements })
}

resource "aws_iam_role_policy_attachment" "delivery_events" {
  count = length(aws_iam_policy.delivery_events)

  role       = aws_iam_role.file_processing_sa.name
  policy_arn = aws_iam_policy.delivery_events[0].arn
}
