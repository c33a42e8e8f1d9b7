# Anomalies, their incidents, and the deliveries of their alerts. The key of an anomaly is made of
# customer, window and metric. So a second run of an hour meets the items of the first.
resource "aws_dynamodb_table" "anomalies" {
  name         = local.table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"

  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = local.metric_index_key
    type = "S"
  }

  attribute {
    name = "detected_at"
    type = "N"
  }

  attribute {
    name = "pending_alert"
    type = "S"
  }

  attribute {
    name = "incident_shard"
    type = "S"
  }

  attribute {
    name = "last_window"
    type = "N"
  }

  attribute {
    name = "entity_key"
    type = "S"
  }

  attribute {
    name = "execution_key"
    type = "S"
  }

  # All anomalies by metric. The split index has eight keys a metric in place of one, for storms.
  global_secondary_index {
    name            = local.metric_index_name
    hash_key        = local.metric_index_key
    range_key       = "detected_at"
    projection_type = "ALL"
  }

  # An item is in this index only while its alert is pending. So each run finds left-over alerts
  # without reading anything else.
  global_secondary_index {
    name            = local.pending_index_name
    hash_key        = "pending_alert"
    range_key       = "detected_at"
    projection_type = "ALL"
  }

  # Only incidents are in this index, the latest last. It has parts, because a partition takes a limited
  # number of writes a second.
  global_secondary_index {
    name            = local.incidents_index_name
    hash_key        = "incident_shard"
    range_key       = "last_window"
    projection_type = "ALL"
  }

  # Only anomalies of entities are in this index: a workflow, or a node of a workflow.
  global_secondary_index {
    name            = local.entity_index_name
    hash_key        = "entity_key"
    range_key       = "detected_at"
    projection_type = "ALL"
  }

  # Only anomalies that name an execution or a trace are in this index.
  global_secondary_index {
    name            = local.execution_index_name
    hash_key        = "execution_key"
    range_key       = "detected_at"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = local.kms_key_arn
  }

  tags = var.tags
}

locals {
  # The attribute of an anomaly that is the key of the index by metric.
  metric_index_key = var.split_metric_index ? "metric_part" : "metric"

  # The kinds of items in the table, by the start of their partition keys, as conditions of a permission. IAM compares
  # the key of the item itself, or the partition key of a query on the table. A query of an index has the index's own
  # key, so it needs a statement without these conditions.
  keys = {
    for kind, patterns in {
      channels        = ["CHANNEL#*", "BUTTON#*"]
      customers       = ["CUSTOMER#*"]
      deliveries      = ["DELIVERY#*", "CHANNEL#*", "BUTTON#*"]
      digests         = ["DIGEST"]
      ended_runs      = ["RUNS#*"]
      feedback        = ["FEEDBACK"]
      former_settings = ["CONFIG_HISTORY#*"]
      last_runs       = ["STATUS"]
      requested_runs  = ["RUN#*"]
      settings        = ["CONFIG"]
      told            = ["DELIVERY#*", "CHANNEL#*"]
      work_of_callers = ["WORK#*"]
    } : kind => { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = patterns } }
  }
}
