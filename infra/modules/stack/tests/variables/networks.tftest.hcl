# Networks need a place for their models.

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  sources        = { machines = { schedule = "rate(1 minute)", networks = true }, executions = {} }
  machine_models = "s3://models.example.com/of/machines"
}

run "networks_need_a_place" {
  command = plan

  variables {
    machine_models = null
  }

  expect_failures = [var.sources]
}

run "other_places_are_refused" {
  command = plan

  variables {
    machine_models      = "s3://models"
    network_drift_alarm = 1
  }

  expect_failures = [var.machine_models, var.network_drift_alarm]
}
