# A release has a version and a location, and a stack without a release has packages.

variables {
  clickhouse_url = "https://clickhouse.example.com:8443"
}

run "a_stack_without_any_packages_is_refused" {
  command = plan

  expect_failures = [var.release]
}

run "a_release_without_a_location_is_refused" {
  command = plan

  variables {
    release = "0.2.0"
  }

  expect_failures = [var.release]
}

run "a_tag_is_no_release" {
  command = plan

  variables {
    release          = "v0.2.0"
    release_location = "s3://artifacts/meterflow"
  }

  expect_failures = [var.release]
}

run "a_web_page_is_no_location" {
  command = plan

  variables {
    release          = "0.2.0"
    release_location = "https://example.com/releases"
  }

  expect_failures = [var.release_location]
}
