import unittest
from unittest import mock

import aws_calls


class Versions(unittest.TestCase):
    def deleted(self, numbers, running):
        """The versions that are deleted, of these published ones. They come in two pages."""
        lambda_ = mock.Mock()
        pages = [[{"Version": "$LATEST"}, *({"Version": number} for number in numbers[:2])], [{"Version": number} for number in numbers[2:]]]
        lambda_.get_paginator.return_value.paginate.return_value = [{"Versions": page} for page in pages]
        lambda_.get_alias.return_value = {"FunctionVersion": running}
        with mock.patch.object(aws_calls, "client", return_value=lambda_):
            aws_calls.delete_old_versions(["function"])
        return [call.kwargs["Qualifier"] for call in lambda_.delete_function.call_args_list]

    def test_the_newest_three_are_kept(self):
        self.assertEqual(self.deleted(["8", "9", "10", "11"], "11"), ["8"])

    def test_the_one_that_runs_is_kept_whatever_its_age(self):
        self.assertEqual(self.deleted(["1", "2", "3", "4", "5"], "1"), ["2"])

    def test_few_versions_are_all_kept(self):
        self.assertEqual(self.deleted(["1", "2"], "2"), [])

    def test_all_else_names_the_alias(self):
        lambda_ = mock.MagicMock()
        lambda_.invoke.return_value = {"Payload": mock.Mock(read=lambda: b"{}")}
        with mock.patch.object(aws_calls, "client", return_value=lambda_):
            aws_calls.invoke("function", {})
            aws_calls.function_environment("function")
        self.assertEqual(lambda_.invoke.call_args.kwargs["Qualifier"], "live")
        self.assertEqual(lambda_.get_function_configuration.call_args.kwargs["Qualifier"], "live")


if __name__ == "__main__":
    unittest.main()
