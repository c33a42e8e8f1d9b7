# Who may do what.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_sns_topic.alerts
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts" }
}

override_resource {
  target          = aws_sns_topic.ops
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-ops" }
}

override_resource {
  target          = aws_sqs_queue.detector_failures
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-detection-failures"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-detection-failures"
  }
}

override_resource {
  target          = aws_sqs_queue.schedule_dead_letters
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-detection-schedule-dlq"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/meterflow-anomaly-detection-schedule-dlq"
  }
}

override_resource {
  target          = aws_ssm_parameter.notifier
  override_during = plan
  values          = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/meterflow/notifier" }
}

variables {
  detector_package = "versions.tf"
  notifier_package = "versions.tf"
  api_package      = "versions.tf"
  clickhouse_url   = "https://clickhouse.example.com:8443"

  # Without them each plan warns that nobody is told, and a test takes the warning for a failure.
  alert_emails = ["pages@example.com"]
  ops_emails   = ["oncall@example.com"]
}

# The mocked provider gives all functions and all log groups one ARN each; these are the API's.
run "roles_can_do_exactly_what_the_code_calls_and_everything_is_encrypted" {
  command = plan

  variables {
    api_jwt_issuer   = "https://tokens.example.com"
    api_jwt_audience = ["meterflow"]
  }

  override_resource {
    target          = module.api[0].aws_cloudwatch_log_group.this
    override_during = plan
    values          = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-api" }
  }

  override_resource {
    target          = module.api[0].aws_lambda_function.this
    override_during = plan
    values          = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-api" }
  }

  # Role can do exactly what the code calls.
  assert {
    condition = { for statement in jsondecode(module.detector.role_policy).Statement : statement.Sid => "${statement.Effect} ${join(" ", statement.Action)} on ${join(" ", statement.Resource)}" } == {
      RecordAnomaliesAndIncidents   = "Allow dynamodb:ConditionCheckItem dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      KeepDigests                   = "Allow dynamodb:PutItem dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ReadSettings                  = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ReadFeedback                  = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      FollowRequestedRuns           = "Allow dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      NoteLastRuns                  = "Allow dynamodb:GetItem dynamodb:PutItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      NoteEndedRuns                 = "Allow dynamodb:PutItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      FindPendingAlertsAndIncidents = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/pending-alerts-index arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/incidents-index"
      PublishAlerts                 = "Allow sns:Publish on arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts"
      UseKeyThroughServices         = "Allow kms:Decrypt kms:GenerateDataKey on arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      WriteLog                      = "Allow logs:CreateLogStream logs:PutLogEvents on arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-detection:*"
      KeepFailedEvents              = "Allow sqs:SendMessage on arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-detection-failures"
    }
    error_message = "The role must have these permissions and no others."
  }

  assert {
    condition = [
      for statement in jsondecode(module.detector.role_policy).Statement : statement.Condition if statement.Sid == "UseKeyThroughServices"
    ] == [{ StringEquals = { "kms:ViaService" = ["dynamodb.eu-central-1.amazonaws.com", "sns.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com"] } }]
    error_message = "Only the three services may use the key for the function."
  }

  # Failed events go to the queue of the detector.
  assert {
    condition     = module.detector.settings.on_failure == "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-detection-failures"
    error_message = "What the detector fails on must go to its own queue."
  }

  # Queue of the schedule admits this rule only.
  assert {
    condition = [for statement in jsondecode(aws_sqs_queue.schedule_dead_letters.policy).Statement : statement if statement.Effect == "Allow"] == [{
      Sid       = "ScheduleSendsDeadLetters"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-detection-schedule-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection" } }
    }]
    error_message = "EventBridge must be able to send, and only for this rule."
  }

  assert {
    condition     = aws_cloudwatch_event_target.detector[0].dead_letter_config[0].arn == "arn:aws:sqs:eu-central-1:123456789012:meterflow-anomaly-detection-schedule-dlq"
    error_message = "The target must use the queue of the schedule."
  }

  assert {
    condition     = aws_lambda_permission.schedule[0].source_arn == "arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-detection"
    error_message = "Only this rule may invoke the function."
  }

  # Topics and queues refuse plain http.
  assert {
    condition = alltrue([
      for policy in [
        aws_sns_topic_policy.alerts.policy,
        aws_sns_topic_policy.ops.policy,
        aws_sqs_queue.schedule_dead_letters.policy,
        aws_sqs_queue.detector_failures.policy,
        ] : anytrue([
          for statement in jsondecode(policy).Statement :
          statement.Effect == "Deny" && statement.Principal == "*" && statement.Condition == { Bool = { "aws:SecureTransport" = "false" } }
      ])
    ])
    error_message = "Every topic and every queue must deny requests without TLS."
  }

  # Topics admit only whom they must.
  assert {
    condition     = [for statement in jsondecode(aws_sns_topic_policy.alerts.policy).Statement : statement if statement.Effect == "Allow"] == []
    error_message = "The alert topic must admit nobody beyond the roles of detector and API."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.ops.policy).Statement :
      statement.Principal.Service => "${statement.Action} from ${statement.Condition.ArnLike["aws:SourceArn"]}" if statement.Effect == "Allow"
      } == {
      "cloudwatch.amazonaws.com" = "sns:Publish from arn:aws:cloudwatch:eu-central-1:123456789012:alarm:meterflow-anomaly-*"
      "events.amazonaws.com"     = "sns:Publish from arn:aws:events:eu-central-1:123456789012:rule/meterflow-anomaly-*"
    }
    error_message = "The ops topic must admit this stack's alarms and rules, and nobody else."
  }

  # Everything is encrypted with one key.
  assert {
    condition = alltrue([
      for arn in [
        aws_dynamodb_table.anomalies.server_side_encryption[0].kms_key_arn,
        aws_sns_topic.alerts.kms_master_key_id,
        aws_sns_topic.ops.kms_master_key_id,
        aws_sqs_queue.schedule_dead_letters.kms_master_key_id,
        aws_sqs_queue.detector_failures.kms_master_key_id,
      ] : arn == output.kms_key_arn
    ])
    error_message = "Table, topics and queues must be encrypted with the stack's key."
  }

  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation
    error_message = "The key must rotate."
  }

  # Key admits the services that need it.
  assert {
    condition = {
      for statement in jsondecode(aws_kms_key.this[0].policy).Statement : try(statement.Principal.Service, statement.Principal.AWS) => try(flatten([statement.Action]), [])
      } == {
      "arn:aws:iam::123456789012:root"  = ["kms:*"]
      "cloudwatch.amazonaws.com"        = ["kms:Decrypt", "kms:GenerateDataKey*"]
      "events.amazonaws.com"            = ["kms:Decrypt", "kms:GenerateDataKey"]
      "sns.amazonaws.com"               = ["kms:Decrypt", "kms:GenerateDataKey*"]
      "logs.eu-central-1.amazonaws.com" = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    }
    error_message = "The key policy must admit exactly the account and these services."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this[0].policy).Statement :
      statement.Condition.StringEquals["aws:SourceAccount"] == "123456789012" if contains(["cloudwatch.amazonaws.com", "sns.amazonaws.com"], try(statement.Principal.Service, ""))
    ])
    error_message = "Alarms and topics of other accounts must not use the key."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.this[0].policy).Statement : statement.Condition if try(startswith(statement.Principal.Service, "logs."), false)
      ] == [{ ArnLike = { "kms:EncryptionContext:aws:logs:arn" = [
        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-*",
        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/meterflow-anomaly-*",
    ] } }]
    error_message = "CloudWatch Logs must be able to encrypt the logs of this stack, and no others."
  }

  # A condition on the source would make EventBridge lose events silently.
  assert {
    condition     = alltrue([for statement in jsondecode(aws_kms_key.this[0].policy).Statement : !can(statement.Condition) if try(statement.Principal.Service, "") == "events.amazonaws.com"])
    error_message = "EventBridge's use of the key must have no condition."
  }

  # The role of the API can do exactly what its code calls.
  assert {
    condition = { for statement in jsondecode(module.api[0].role_policy).Statement : statement.Sid => "${statement.Effect} ${join(" ", statement.Action)} on ${join(" ", statement.Resource)}" } == {
      ReadAndChangeAnomaliesAndIncidents = "Allow dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ReadAndChangeSettings              = "Allow dynamodb:GetItem dynamodb:PutItem dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      KeepAndListFormerSettings          = "Allow dynamodb:PutItem dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      KeepFeedback                       = "Allow dynamodb:PutItem dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      FollowRequestedRuns                = "Allow dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      CountWorkOfCallers                 = "Allow dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ReadLastRuns                       = "Allow dynamodb:GetItem dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ListEndedRuns                      = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ListDeliveries                     = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ReadChannelsAndButtons             = "Allow dynamodb:GetItem on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies"
      ReadConfigurationOfChannels        = "Allow ssm:GetParameter on arn:aws:ssm:eu-central-1:123456789012:parameter/meterflow/notifier"
      ListByIndex                        = "Allow dynamodb:Query on arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/metric-severity-index arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/pending-alerts-index arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/incidents-index arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/entity-index arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies/index/execution-index"
      PublishAlerts                      = "Allow sns:Publish on arn:aws:sns:eu-central-1:123456789012:meterflow-anomaly-alerts"
      StartDetections                    = "Allow lambda:InvokeFunction on arn:aws:lambda:eu-central-1:123456789012:function:meterflow-anomaly-detection:live"
      UseKeyThroughServices              = "Allow kms:Decrypt kms:GenerateDataKey on arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      WriteLog                           = "Allow logs:CreateLogStream logs:PutLogEvents on arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/meterflow-anomaly-api:*"
    }
    error_message = "The API's role must have these permissions and no others."
  }

  assert {
    condition = [
      for statement in jsondecode(module.api[0].role_policy).Statement : statement.Condition if statement.Sid == "UseKeyThroughServices"
    ] == [{ StringEquals = { "kms:ViaService" = ["dynamodb.eu-central-1.amazonaws.com", "sns.eu-central-1.amazonaws.com"] } }]
    error_message = "Only DynamoDB and SNS may use the key for the API."
  }

  # Table and indexes are apart: a condition on keys compares the keys of the table for the one, and those of the index for
  # the other.
  # Each permission on the table names the keys that it is for.
  assert {
    condition = {
      for function, policy in { detector = module.detector.role_policy, api = module.api[0].role_policy, notifier = module.notifier.role_policy } :
      function => {
        for statement in jsondecode(policy).Statement : statement.Sid => statement.Condition
        if contains(statement.Resource, "arn:aws:dynamodb:eu-central-1:123456789012:table/meterflow-anomalies")
      }
      } == {
      detector = {
        RecordAnomaliesAndIncidents = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["CUSTOMER#*"] } }
        KeepDigests                 = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["DIGEST"] } }
        ReadSettings                = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["CONFIG"] } }
        ReadFeedback                = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["FEEDBACK"] } }
        FollowRequestedRuns         = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["RUN#*"] } }
        NoteLastRuns                = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["STATUS"] } }
        NoteEndedRuns               = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["RUNS#*"] } }
      }
      api = {
        ReadAndChangeAnomaliesAndIncidents = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["CUSTOMER#*"] } }
        ReadAndChangeSettings              = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["CONFIG"] } }
        KeepFeedback                       = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["FEEDBACK"] } }
        KeepAndListFormerSettings          = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["CONFIG_HISTORY#*"] } }
        FollowRequestedRuns                = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["RUN#*"] } }
        CountWorkOfCallers                 = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["WORK#*"] } }
        ReadLastRuns                       = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["STATUS"] } }
        ListEndedRuns                      = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["RUNS#*"] } }
        ListDeliveries                     = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["DELIVERY#*", "CHANNEL#*"] } }
        ReadChannelsAndButtons             = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["CHANNEL#*", "BUTTON#*"] } }
      }
      notifier = {
        RecordDeliveries = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["DELIVERY#*", "CHANNEL#*", "BUTTON#*"] } }
        ReadFeedback     = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["FEEDBACK"] } }
      }
    }
    error_message = "No function may reach an item of the table whose partition key its permissions do not name."
  }

  assert {
    condition = alltrue(flatten([
      for policy in [module.detector.role_policy, module.api[0].role_policy, module.notifier.role_policy] : [
        for statement in jsondecode(policy).Statement : statement.Action == ["dynamodb:Query"] && !can(statement.Condition)
        if anytrue([for resource in statement.Resource : strcontains(resource, "/index/")])
      ]
    ]))
    error_message = "Indexes may only be asked, and a condition on the table's keys would refuse every question."
  }

  # Only this http api may invoke the api.
  assert {
    condition     = "${aws_lambda_permission.api[0].principal} ${aws_lambda_permission.api[0].action} ${aws_lambda_permission.api[0].function_name}:${aws_lambda_permission.api[0].qualifier} ${aws_lambda_permission.api[0].source_arn}" == "apigateway.amazonaws.com lambda:InvokeFunction meterflow-anomaly-api:live arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/*/*"
    error_message = "API Gateway must be able to invoke the API's function, and only for this HTTP API."
  }

  assert {
    condition     = aws_cloudwatch_log_group.api_access[0].kms_key_id == output.kms_key_arn
    error_message = "The access log must be encrypted with the stack's key."
  }
}

run "roles_read_the_secret_and_the_catalog_that_are_set" {
  command = plan

  variables {
    clickhouse_secret_arn         = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"
    clickhouse_secret_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    catalog_file                  = "tests/catalog.toml"
    api_jwt_issuer                = "https://tokens.example.com"
    api_jwt_audience              = ["meterflow"]
  }

  expect_failures = [
    check.detector_and_api_have_clickhouse_users_of_their_own,
  ]

  # Role reads the secret and the catalog that are set.
  assert {
    condition = {
      for statement in jsondecode(module.detector.role_policy).Statement : statement.Sid => "${join(" ", statement.Action)} on ${join(" ", statement.Resource)}"
      if contains(["ReadClickHouseCredentials", "DecryptClickHouseCredentials", "ReadCatalog"], statement.Sid)
      } == {
      ReadClickHouseCredentials    = "secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"
      DecryptClickHouseCredentials = "kms:Decrypt on arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
      ReadCatalog                  = "ssm:GetParameter on arn:aws:ssm:eu-central-1:123456789012:parameter/meterflow/catalog"
    }
    error_message = "The role must read exactly the secret and the parameter that are set."
  }

  # The only star that is left stands for the streams of the function's own log group.
  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(module.detector.role_policy).Statement : [
        [for action in statement.Action : !strcontains(action, "*")],
        [for resource in statement.Resource : !strcontains(trimsuffix(resource, ":log-group:/aws/lambda/meterflow-anomaly-detection:*"), "*")],
      ]
    ]))
    error_message = "No action and no resource of the role may hold a wildcard."
  }

  # Role of the api reads the same secret and catalog.
  assert {
    condition = [
      for role_policy in [module.api[0].role_policy, module.detector.role_policy] : [
        for statement in jsondecode(role_policy).Statement : statement
        if contains(["ReadClickHouseCredentials", "DecryptClickHouseCredentials", "ReadCatalog"], statement.Sid)
      ]
      ] == [for function in ["api", "detector"] : [
        {
          Sid      = "ReadClickHouseCredentials"
          Effect   = "Allow"
          Action   = ["secretsmanager:GetSecretValue"]
          Resource = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"]
        },
        {
          Sid       = "DecryptClickHouseCredentials"
          Effect    = "Allow"
          Action    = ["kms:Decrypt"]
          Resource  = ["arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"]
          Condition = { StringEquals = { "kms:ViaService" = ["secretsmanager.eu-central-1.amazonaws.com"] } }
        },
        {
          Sid      = "ReadCatalog"
          Effect   = "Allow"
          Action   = ["ssm:GetParameter"]
          Resource = ["arn:aws:ssm:eu-central-1:123456789012:parameter/meterflow/catalog"]
        },
    ]]
    error_message = "Both roles must read exactly the secret and the parameter that are set."
  }
}

run "detector_may_have_a_clickhouse_user_of_its_own_and_roles_keep_the_rules_of_the_account" {
  command = plan

  variables {
    api_jwt_issuer                 = "https://tokens.example.com"
    api_jwt_audience               = ["meterflow"]
    clickhouse_secret_arn          = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"
    detector_clickhouse_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"

    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    role_path                = "/services/meterflow/"
    amazon_q_slack           = { team_id = "T07EA123LEP", channel_id = "C07EZ1ABC23" }
    kms_key                  = { arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555" }
  }

  assert {
    condition = [
      for role in [module.detector.role_policy, module.api[0].role_policy] : [
        for statement in jsondecode(role).Statement : join(" ", statement.Resource) if statement.Sid == "ReadClickHouseCredentials"
      ]
      ] == [
      ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456"],
      ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123"],
    ]
    error_message = "Each function must read its own user's secret and no other."
  }

  assert {
    condition = [for environment in [local.detector_environment, local.api_environment] : environment.CLICKHOUSE_SECRET_ARN] == [
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/detector-DeF456",
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterflow/clickhouse-AbC123",
    ]
    error_message = "Each function must be told of its own user's secret."
  }

  # Roles keep the rules of the account.
  assert {
    condition     = aws_iam_role.chat[0].path == "/services/meterflow/" && aws_iam_role.chat[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The role of Amazon Q must have the path and the boundary."
  }

  assert {
    condition = alltrue([
      for function in [module.detector, module.notifier] : function.settings.role_path == "/services/meterflow/" && function.settings.permissions_boundary_arn == "arn:aws:iam::123456789012:policy/boundary"
    ])
    error_message = "The role of each function must have the path and the boundary."
  }

  # A key of the users encrypts everything.
  assert {
    condition     = length(aws_kms_key.this) == 0 && length(aws_kms_alias.this) == 0
    error_message = "The stack must make no key beside the one that it is given."
  }

  assert {
    condition = alltrue([
      for arn in [aws_dynamodb_table.anomalies.server_side_encryption[0].kms_key_arn, aws_sns_topic.alerts.kms_master_key_id, aws_sqs_queue.detector_failures.kms_master_key_id, output.kms_key_arn] :
      arn == "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    ])
    error_message = "The key of the user must encrypt the table, the topics and the queues."
  }

  assert {
    condition = [for statement in jsondecode(output.kms_key_policy_statements) : statement.Sid] == [
      "AlarmsPublishToOpsTopic", "RulesReachQueueAndTopic", "TopicsDeliverToEncryptedQueues", "LogsOfThisStack",
    ]
    error_message = "The output must have what the services need, and not who owns the key."
  }
}
