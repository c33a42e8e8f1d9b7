# The network. In a VPC of your own, only the endpoints and the security groups are new.

data "aws_region" "current" {}

locals {
  # Each call of a function in the VPC goes to one of these services.
  gateway_endpoints = toset([
    "dynamodb", # anomalies, incidents, settings
    "s3",       # networks of machine_models; costs nothing
  ])
  interface_endpoints = toset([
    "lambda",         # the API starts runs, and asks the function for finished events
    "secretsmanager", # user and password of ClickHouse
    "sns",            # alerts
    "ssm",            # the catalog, and the channels for the API
  ])

  # ClickHouse and the functions are in two zones, so one may fail.
  subnets = {
    "eu-central-1a" = "10.20.0.0/24"
    "eu-central-1b" = "10.20.1.0/24"
  }
}

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:Flow logs cost money and are a decision of the network's owner.
  # checkov:skip=CKV2_AWS_12:Nothing uses the default group. A rule in it would be a decision of the network's owner.

  cidr_block = "10.20.0.0/16"

  # The endpoints answer by the usual names of the services.
  enable_dns_support   = true
  enable_dns_hostnames = true
}

resource "aws_subnet" "private" {
  for_each = local.subnets

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = local.gateway_endpoints

  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.id}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${data.aws_region.current.id}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = values(aws_subnet.private)[*].id
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
}

resource "aws_security_group" "functions" {
  # checkov:skip=CKV2_AWS_5:The functions of the module have it: see main.tf.

  name        = "meterflow-functions"
  description = "Functions of MeterFlow that read ClickHouse"
  vpc_id      = aws_vpc.this.id
}

# ClickHouse, the endpoints and DynamoDB. The subnets lead nowhere else.
resource "aws_vpc_security_group_egress_rule" "functions" {
  security_group_id = aws_security_group.functions.id
  description       = "To ClickHouse and to the endpoints"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "endpoints" {
  name        = "meterflow-endpoints"
  description = "Endpoints of the services that MeterFlow calls"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "From the functions"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.functions.id
}
