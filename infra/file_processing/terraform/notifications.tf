# Notifications of the data bucket to the topic.
#
# S3 has one notification configuration per bucket. Terraform's resource replaces all of it, and deletes all of it when it
# is destroyed, so it is used only for a bucket that is created here. An existing bucket may have notifications of others:
# there a script adds the topic's, and removes only that one.

resource "aws_s3_bucket_notification" "made_bucket" {
  count = var.create_s3_notifications && var.create_bucket ? 1 : 0

  bucket = aws_s3_bucket.made[var.bucket_name].id

  topic {
    id            = "file-arrivals"
    topic_arn     = aws_sns_topic.file_processing.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.source_prefix
  }

  depends_on = [aws_sns_topic_policy.file_processing]
}

resource "terraform_data" "adopted_bucket_notification" {
  count = var.create_s3_notifications && !var.create_bucket ? 1 : 0

  triggers_replace = [var.bucket_name, var.source_prefix, aws_sns_topic.file_processing.arn]

  input = {
    BUCKET        = data.aws_s3_bucket.adopted[var.bucket_name].id
    SOURCE_PREFIX = var.source_prefix
    SNS_TOPIC_ARN = aws_sns_topic.file_processing.arn
    AWS_PROFILE   = var.aws_profile
    AWS_REGION    = var.aws_region
  }

  provisioner "local-exec" {
    command     = "../scripts/s3_configure_notifications.sh"
    working_dir = path.module
    environment = self.input
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "../scripts/s3_configure_notifications.sh --remove"
    working_dir = path.module
    environment = self.input
  }

  depends_on = [aws_sns_topic_policy.file_processing]
}
