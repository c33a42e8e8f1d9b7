"""Rules that all resources of infra/modules/stack follow."""

import re
import unittest
from pathlib import Path

import configuration

STACK = configuration.STACK
RESOURCE = re.compile(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)

# AWS has no tags for these.
WITHOUT_TAGS = {
    "aws_apigatewayv2_authorizer", "aws_apigatewayv2_integration", "aws_apigatewayv2_route", "aws_cloudwatch_dashboard",
    "aws_cloudwatch_event_target", "aws_iam_role_policy", "aws_kms_alias", "aws_lambda_function_event_invoke_config",
    "aws_lambda_permission", "aws_sns_topic_policy", "aws_sns_topic_subscription", "terraform_data",
}

OF_ALL_FUNCTIONS = ("log_retention_days", "permissions_boundary_arn", "role_path", "tags", "xray_tracing")


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


class Module(unittest.TestCase):
    def test_it_has_no_provider_and_no_backend_of_its_own(self):
        for folder in folders():
            self.assertEqual(re.findall(r"^\s*(?:provider|backend) ", text(folder), re.MULTILINE), [], folder)

    def test_all_folders_take_the_same_providers(self):
        versions = {re.search(r'^      version = "([^"]+)"', text(folder), re.MULTILINE).group(1) for folder in (configuration.INFRA, *folders())}
        self.assertEqual(versions, {">= 5.100, < 7"})


if __name__ == "__main__":
    unittest.main()
