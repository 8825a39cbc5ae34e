# The data bucket tells the topic of what arrives.
#
# S3 keeps one notification configuration per bucket, and Terraform's resource replaces the whole of it, also with
# nothing when it is destroyed. So it is used for a bucket that is made here. A bucket that was there before may have
# notifications of others: there a script adds ours to them, and takes nothing but ours away again.

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
