# Dagster's storage: PostgreSQL, private, encrypted, TLS only. The application's own database is not managed here.

locals {
  database_identifier = "${var.cluster_name}-dagster"
}

resource "aws_db_subnet_group" "dagster" {
  name       = local.database_identifier
  subnet_ids = local.private_subnet_ids
}

resource "aws_security_group" "database" {
  name        = local.database_identifier
  description = "PostgreSQL of Dagster, from the cluster alone"
  vpc_id      = local.vpc_id

  tags = { Name = local.database_identifier }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "Pods and nodes of the cluster"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "dagster" {
  name   = "${local.database_identifier}-16"
  family = "postgres16"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "database" {
  name              = local.database_log_group
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.platform.arn
}

resource "aws_iam_role" "database_monitoring" {
  name = "${local.database_identifier}-monitoring"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "monitoring.rds.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "database_monitoring" {
  role       = aws_iam_role.database_monitoring.name
  policy_arn = "${local.aws_managed}/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "dagster" {
  identifier     = local.database_identifier
  engine         = "postgres"
  engine_version = "16"
  instance_class = var.db_instance_class

  db_name                       = var.db_name
  username                      = var.db_username
  password_wo                   = var.db_password
  password_wo_version           = local.rds_keeps_password ? null : var.db_password_version
  manage_master_user_password   = local.rds_keeps_password ? true : null
  master_user_secret_kms_key_id = local.rds_keeps_password ? aws_kms_key.platform.arn : null

  storage_type          = "gp3"
  allocated_storage     = 20
  max_allocated_storage = 200
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.platform.arn

  db_subnet_group_name   = aws_db_subnet_group.dagster.name
  vpc_security_group_ids = [aws_security_group.database.id]
  parameter_group_name   = aws_db_parameter_group.dagster.name
  publicly_accessible    = false
  multi_az               = var.db_multi_az

  backup_retention_period   = var.db_backup_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.db_deletion_protection
  skip_final_snapshot       = false
  final_snapshot_identifier = "${local.database_identifier}-last-${formatdate("YYYYMMDDhhmmss", terraform_data.database_made_at.output)}"

  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["postgresql"]
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.database_monitoring.arn
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.platform.arn

  depends_on = [aws_cloudwatch_log_group.database]
}

# A fixed name for the final snapshot would collide when a second database is destroyed. It is stored here, and not by
# ignoring changes of the database, because a database that was restored and imported has no such name yet.
resource "terraform_data" "database_made_at" {
  input            = plantimestamp()
  triggers_replace = [var.db_name, var.db_username] # a change of these creates another database

  lifecycle {
    ignore_changes = [input]
  }
}

# Pods have a login of their own (helm/etl-platform/database_login.py). The owner's password is read at each manage.sh apply.
resource "aws_secretsmanager_secret_rotation" "database" {
  count = local.rds_keeps_password ? 1 : 0

  secret_id          = aws_db_instance.dagster.master_user_secret[0].secret_arn
  rotate_immediately = false

  rotation_rules {
    automatically_after_days = var.db_password_rotation_days
  }
}

locals {
  # Not sensitive: it shows only whether a password is given.
  rds_keeps_password = nonsensitive(var.db_password == null)
}
