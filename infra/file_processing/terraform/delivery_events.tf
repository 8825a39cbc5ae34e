# The topic to which events of deliveries are published, and the permission to do so. There is none without a name.
# Who subscribes is up to you. Events name agencies, datasets and files, and have no value of a row.

resource "aws_sns_topic" "delivery_events" {
  count = var.delivery_events_topic_name == "" ? 0 : 1

  name              = var.delivery_events_topic_name
  kms_master_key_id = aws_kms_key.data.arn
  signature_version = 2
}

# Without this statement a topic takes messages without TLS. Who may subscribe from another account is to be added here.
resource "aws_sns_topic_policy" "delivery_events" {
  count = length(aws_sns_topic.delivery_events)

  arn = aws_sns_topic.delivery_events[0].arn

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.only_over_tls, { Action = "sns:Publish", Resource = aws_sns_topic.delivery_events[0].arn })]
  })
}

locals {
  # permissions.tf gives them to the components that publish; `etl-platform doctor` asks the topic only.
  ask_events_topic = [
    for topic in aws_sns_topic.delivery_events :
    { Sid = "AskTopic", Effect = "Allow", Action = ["sns:GetTopicAttributes"], Resource = [topic.arn] }
  ]

  publish_events = concat(local.ask_events_topic, [
    for topic in aws_sns_topic.delivery_events :
    { Sid = "PublishEvents", Effect = "Allow", Action = ["sns:Publish"], Resource = [topic.arn] }
    ], [
    for topic in aws_sns_topic.delivery_events :
    {
      Sid       = "ThroughSns"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [aws_kms_key.data.arn]
      Condition = { StringEquals = { "kms:ViaService" = "sns.${var.aws_region}.${data.aws_partition.current.dns_suffix}" } }
    }
  ])
}
