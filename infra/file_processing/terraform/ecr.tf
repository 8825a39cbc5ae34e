# Repository of the image. Tags are immutable, so the image that was tested is the one that runs.

resource "aws_ecr_repository" "file_processing" {
  name                 = var.ecr_repository_name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true # images can be built again

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.platform.arn
  }

  # ecr_put.sh may have created it with another encryption; changing that would delete the images in use.
  lifecycle {
    ignore_changes = [encryption_configuration]
  }
}

resource "aws_ecr_lifecycle_policy" "untagged" {
  repository = aws_ecr_repository.file_processing.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Untagged images, after two weeks"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
      action       = { type = "expire" }
    }]
  })
}
