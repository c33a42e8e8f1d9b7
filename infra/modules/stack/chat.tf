# A Slack channel by Amazon Q in chat applications (AWS Chatbot). AWS is the application in Slack, so
# no token is needed. Amazon Q takes everything on a topic of its own. The notifier publishes there.

locals {
  has_amazon_q = var.amazon_q_slack != null

  # The channel as the notifier's config has it.
  amazon_q_channel = { for topic in aws_sns_topic.chat : "amazon_q" => { type = "amazon_q", topic_arn = topic.arn } }
}

resource "aws_chatbot_slack_channel_configuration" "this" {
  count = local.has_amazon_q ? 1 : 0

  # Amazon Q is global in an account. The region in the name keeps two regions apart.
  configuration_name = "${local.chat_topic_name}-${local.region}"
  slack_team_id      = var.amazon_q_slack.team_id
  slack_channel_id   = var.amazon_q_slack.channel_id
  sns_topic_arns     = [aws_sns_topic.chat[0].arn]
  logging_level      = "ERROR"

  # Members of the channel only read. Without a guardrail AWS would let them run commands within
  # the role, with AdministratorAccess as the only limit.
  iam_role_arn                = aws_iam_role.chat[0].arn
  guardrail_policy_arns       = ["arn:${local.partition}:iam::aws:policy/AWSDenyAll"]
  user_authorization_required = false

  tags = var.tags
}

# Amazon Q needs a role for the commands of members. This role may do nothing.
resource "aws_iam_role" "chat" {
  count = local.has_amazon_q ? 1 : 0

  name        = "${local.chat_topic_name}-${local.region}"
  path        = var.role_path
  description = "What members of the Slack channel may do by ${local.chat_topic_name}: nothing"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "chatbot.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_sns_topic" "chat" {
  count = local.has_amazon_q ? 1 : 0

  name              = local.chat_topic_name
  display_name      = "MeterFlow alerts in chat"
  kms_master_key_id = local.kms_key_arn

  tags = var.tags
}

# The notifier publishes by its own role. Amazon Q subscribes by its service-linked role.
resource "aws_sns_topic_policy" "chat" {
  count = local.has_amazon_q ? 1 : 0

  arn = aws_sns_topic.chat[0].arn
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge(local.deny_publish_without_tls, { Resource = aws_sns_topic.chat[0].arn })]
  })
}
