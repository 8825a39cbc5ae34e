# Tables for Athena, made only on request.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  alarm_topic_arn     = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"
  bucket_is_versioned = true
  data_is_trailed     = true
}

run "no_table_without_request" {
  command = plan

  assert {
    condition     = length(aws_glue_catalog_database.this) + length(aws_glue_catalog_table.silver) + length(aws_glue_catalog_table.reports) == 0
    error_message = "Glue tables were created without request"
  }
}

run "a_table_per_dataset_whose_queries_name_their_agencies" {
  command = plan

  variables {
    create_glue_tables = true
    bucket_name        = "etl-client-etl"
  }

  assert {
    condition     = toset(keys(aws_glue_catalog_table.silver)) == toset(keys(local.silver_tables)) && length(local.silver_tables) > 0
    error_message = "a dataset has no table"
  }

  assert {
    condition = aws_glue_catalog_table.silver["officer_detail"].parameters == tomap({
      "EXTERNAL"                  = "TRUE"
      "classification"            = "parquet"
      "projection.enabled"        = "true"
      "projection.agency.type"    = "injected"
      "storage.location.template" = "s3://etl-client-etl/silver/officer_detail/agency=$${agency}/"
    })
    error_message = "the partitions are projected otherwise"
  }

  assert {
    condition     = length(aws_glue_catalog_table.silver["officer_detail"].storage_descriptor[0].columns) == length(local.silver_tables["officer_detail"].columns)
    error_message = "a column is missing"
  }

  assert {
    condition     = aws_glue_catalog_table.reports[0].storage_descriptor[0].location == "s3://etl-client-etl/reports/"
    error_message = "the reports are elsewhere"
  }
}

run "listed_agencies_need_no_name_in_a_query" {
  command = plan

  variables {
    create_glue_tables = true
    glue_agencies      = ["nm_albuquerque", "nm%20x"]
  }

  assert {
    condition = (
      aws_glue_catalog_table.silver["training"].parameters["projection.agency.type"] == "enum"
      && aws_glue_catalog_table.silver["training"].parameters["projection.agency.values"] == "nm_albuquerque,nm%20x"
    )
    error_message = "the agencies are not listed"
  }
}
