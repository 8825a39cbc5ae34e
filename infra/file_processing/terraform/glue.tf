# Tables for Athena: silver, and the reports. Their columns are in glue_tables.tf.json, which
# `etl-platform contract glue` makes from the contracts.

locals {
  glue_tables = var.create_glue_tables ? local.silver_tables : {}
  # Athena computes the partitions, so no crawler and no MSCK REPAIR is needed. Without a list of agencies each query
  # must name its agencies: WHERE agency = '...'.
  agency_projection = length(var.glue_agencies) == 0 ? { type = "injected" } : {
    type   = "enum"
    values = join(",", var.glue_agencies)
  }
}

resource "aws_glue_catalog_database" "this" {
  count = var.create_glue_tables ? 1 : 0

  name        = var.glue_database_name
  description = "Silver and reports of the ETL platform."
}

resource "aws_glue_catalog_table" "silver" {
  for_each = local.glue_tables

  database_name = aws_glue_catalog_database.this[0].name
  name          = each.key
  description   = each.value.description
  table_type    = "EXTERNAL_TABLE"

  parameters = merge(
    {
      "EXTERNAL"                  = "TRUE"
      "classification"            = "parquet"
      "projection.enabled"        = "true"
      "storage.location.template" = "s3://${var.bucket_name}/silver/${each.value.dataset}/agency=$${${each.value.agency}}/"
    },
    { for name, value in local.agency_projection : "projection.${each.value.agency}.${name}" => value },
  )

  partition_keys {
    name    = each.value.agency
    type    = "string"
    comment = "The agency that sent the rows."
  }

  storage_descriptor {
    location      = "s3://${var.bucket_name}/silver/${each.value.dataset}/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }
}

resource "aws_glue_catalog_table" "reports" {
  count = var.create_glue_tables ? 1 : 0

  database_name = aws_glue_catalog_database.this[0].name
  name          = "reports"
  description   = "One row per report. Leave out the folders that start with _: WHERE \"$path\" NOT LIKE '%/reports/\\_%' ESCAPE '\\'."
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    "EXTERNAL"       = "TRUE"
    "classification" = "json"
  }

  storage_descriptor {
    location      = "s3://${var.bucket_name}/reports/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    ser_de_info {
      serialization_library = "org.openx.data.jsonserde.JsonSerDe"
    }

    dynamic "columns" {
      for_each = local.report_columns

      content {
        name = columns.value.name
        type = columns.value.type
      }
    }
  }
}
