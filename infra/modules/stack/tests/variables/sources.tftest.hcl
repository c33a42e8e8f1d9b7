# Sources and catalogs that could not work are refused.

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"
  api_jwt_issuer   = "https://tokens.example.com"
  api_jwt_audience = ["meterflow"]
}

run "wrong_names_are_refused" {
  command = plan

  variables {
    sources    = { "Executions" = {} }
    events_bus = "arn:aws:events:eu-central-1:123456789012:event-bus/platform"

    checks_concurrency = 3
  }

  expect_failures = [var.sources, var.events_bus, var.checks_concurrency]
}

run "the_usage_of_customers_has_its_own_schedule" {
  command = plan

  variables {
    sources = { usage = {} }
  }

  expect_failures = [var.sources]
}

run "a_name_that_is_too_long_for_a_rule_is_refused" {
  command = plan

  variables {
    sources = { executions_of_workflows_and_their_nodes = {} }
  }

  expect_failures = [var.sources]
}

run "other_schedules_are_refused" {
  command = plan

  variables {
    sources = { executions = { schedule = "rate(2 hours)" } }
  }

  expect_failures = [var.sources]
}

run "an_unknown_preset_is_refused" {
  command = plan

  variables {
    catalog_files = ["preset:usage", "preset:no_such_preset"]
  }

  expect_failures = [var.catalog_files]
}

run "a_preset_has_no_other_folder" {
  command = plan

  variables {
    catalog_files = ["preset:../catalog"]
  }

  expect_failures = [var.catalog_files]
}

run "a_catalog_is_one_file_or_a_list" {
  command = plan

  variables {
    catalog_file  = "tests/catalog.toml"
    catalog_files = ["tests/catalog.toml"]
  }

  expect_failures = [var.catalog_files]
}

run "a_file_is_named_once" {
  command = plan

  variables {
    catalog_files = ["tests/catalog.toml", "tests/catalog.toml"]
  }

  expect_failures = [var.catalog_files]
}
