"""Rules that all resources of infra/modules/stack follow."""

import re
import unittest
from pathlib import Path

import configuration

STACK = configuration.STACK
RESOURCE = re.compile(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)

# AWS has no tags for these.
WITHOUT_TAGS = {
    "aws_apigatewayv2_api_mapping", "aws_apigatewayv2_authorizer", "aws_apigatewayv2_integration", "aws_apigatewayv2_route", "aws_cloudwatch_dashboard",
    "aws_cloudwatch_event_target", "aws_cloudwatch_log_metric_filter", "aws_iam_role_policy", "aws_kms_alias", "aws_lambda_alias", "aws_lambda_function_event_invoke_config",
    "aws_lambda_permission", "aws_route53_record", "aws_sns_topic_policy", "aws_sns_topic_subscription", "terraform_data",
}

OF_ALL_FUNCTIONS = ("log_retention_days", "permissions_boundary_arn", "role_path", "tags", "xray_tracing")

# The arguments that name a resource.
NAMES = ("name", "alarm_name", "configuration_name", "dashboard_name", "function_name")
# Parts of another resource, and the record of a zone of the user's. Their names count inside that resource.
OWNED = {"aws_apigatewayv2_stage", "aws_route53_record", "aws_iam_role_policy", "aws_lambda_alias", "aws_lambda_function_event_invoke_config", "aws_lambda_permission",
         "aws_lambda_event_source_mapping"}
GLOBAL_IN_AN_ACCOUNT = {"aws_chatbot_slack_channel_configuration", "aws_cloudwatch_dashboard", "aws_iam_role"}


def folders():
    return [STACK, *(folder for folder in sorted((STACK / "modules").iterdir()) if folder.is_dir())]


def text(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.tf")))


def resources():
    for folder in folders():
        for kind, name, body in RESOURCE.findall(text(folder)):
            yield folder.name, kind, name, body


class Resources(unittest.TestCase):
    def test_each_has_the_tags_of_the_stack(self):
        missing = [f"{folder}: {kind}.{name}" for folder, kind, name, body in resources()
                   if kind not in WITHOUT_TAGS and not re.search(r"^  tags +=  *var\.tags$", body, re.MULTILINE)]
        self.assertEqual(missing, [])

    def test_each_role_has_the_path_and_the_boundary(self):
        roles = [body for _, kind, _, body in resources() if kind == "aws_iam_role"]
        self.assertEqual(len(roles), 2)
        for body in roles:
            for argument in ("path", "permissions_boundary"):
                self.assertRegex(body, rf"(?m)^  {argument} +=  *var\.\w+$")

    def test_each_function_gets_what_holds_for_all(self):
        modules = re.findall(r'^module "(\w+)" \{\n(.*?)^\}', text(STACK), re.MULTILINE | re.DOTALL)
        self.assertEqual(len(modules), 5)
        for name, body in modules:
            for variable in OF_ALL_FUNCTIONS:
                self.assertRegex(body, rf"(?m)^  {variable} +=  *var\.{variable}$", name)


class Names(unittest.TestCase):
    """Two stacks with two prefixes share no name, nor do two regions with one prefix."""

    def setUp(self):
        self.locals = dict(re.findall(r'^  +(\w+_names?) += +(.+)$', text(STACK), re.MULTILINE))
        self.names = [(f"{kind}.{name}", kind, self.resolved(value)) for _, kind, name, body in resources() if kind not in OWNED
                      for value in re.findall(rf"^  (?:{'|'.join(NAMES)}) += +(.+)$", body, re.MULTILINE)]

    def resolved(self, value: str) -> str:
        """The value with the texts of the names in it. The name of a function comes from the stack."""
        for _ in range(4):
            value = re.sub(r"\blocal\.(\w+_names?)\b", lambda found: self.locals[found.group(1)], value)
        return value

    def test_each_name_has_the_prefix(self):
        self.assertGreater(len(self.names), 25)
        self.assertEqual([name for name in self.names if "var.name_prefix" not in name[2] and "var.name" not in name[2]], [])

    def test_the_name_of_each_function_has_the_prefix(self):
        modules = re.findall(r'^module "(\w+)" \{\n(.*?)^\}', text(STACK), re.MULTILINE | re.DOTALL)
        for module, body in modules:
            self.assertIn("var.name_prefix", self.resolved(re.search(r"^  name += +(.+)$", body, re.MULTILINE).group(1)), module)

    def test_each_name_that_is_global_in_an_account_has_the_region(self):
        of_regions = {kind: name for name, kind, value in self.names if "local.region" in value or "data.aws_region.current.id" in value}
        self.assertEqual(set(of_regions), GLOBAL_IN_AN_ACCOUNT)
        without = [name for name, kind, value in self.names if kind in GLOBAL_IN_AN_ACCOUNT and "region" not in value]
        self.assertEqual(without, [])


class Invocation(unittest.TestCase):
    """All that invokes a function invokes its alias. What invokes the bare function would not go back with the alias."""

    def test_each_permission_is_for_the_alias(self):
        permissions = [body for _, kind, _, body in resources() if kind == "aws_lambda_permission"]
        self.assertEqual(len(permissions), 7)
        for body in permissions:
            module = re.search(r"^  function_name +=  *(module\.\S+)\.function_name$", body, re.MULTILINE).group(1)
            self.assertRegex(body, rf"(?m)^  qualifier +=  *{re.escape(module)}\.alias_name$")

    def test_the_bare_arn_of_a_function_is_only_an_output(self):
        with_arn = {file.name for file in sorted(STACK.glob("*.tf")) if re.search(r"\bfunction_arn\b", file.read_text(encoding="utf-8"))}
        self.assertEqual(with_arn, {"outputs.tf"})

    def test_each_function_with_events_keeps_those_that_fail_under_the_alias(self):
        configs = [body for _, kind, _, body in resources() if kind == "aws_lambda_function_event_invoke_config"]
        self.assertEqual(len(configs), 1)
        self.assertRegex(configs[0], r"(?m)^  qualifier +=  *aws_lambda_alias\.this\.name$")


class Module(unittest.TestCase):
    def test_it_has_no_provider_and_no_backend_of_its_own(self):
        for folder in folders():
            self.assertEqual(re.findall(r"^\s*(?:provider|backend) ", text(folder), re.MULTILINE), [], folder)

    def test_all_folders_take_the_same_providers(self):
        versions = {re.search(r'^      version = "([^"]+)"', text(folder), re.MULTILINE).group(1) for folder in (configuration.INFRA, *folders())}
        self.assertEqual(versions, {">= 5.100, < 7"})


if __name__ == "__main__":
    unittest.main()
