"""The changes of the AWS emulator's program."""

import importlib.util
import re
import unittest
from collections import defaultdict
from unittest import mock

import emulator_program


class Remembering(unittest.TestCase):
    def test_a_text_is_asked_once_and_everything_else_each_time(self):
        function = mock.Mock(side_effect=lambda text, slot="": f"{slot} of {text}", __name__="function")
        answer = emulator_program.remembering(function)
        for _ in range(2):
            self.assertEqual((answer("1"), answer("1", "slot"), answer(1), answer(["1"])),
                             (" of 1", "slot of 1", " of 1", " of ['1']"))
        self.assertEqual(function.call_count, 2 + 4)

    def test_a_list_is_made_once_and_each_caller_gets_one_of_its_own(self):
        function = mock.Mock(side_effect=str.split, __name__="function")
        answer = emulator_program.remembering_a_list(function)
        answer("a b").append("changed")
        self.assertEqual(answer("a b"), ["a", "b"])
        self.assertEqual(function.call_count, 1)

    def test_the_emulator_has_the_functions_that_are_asked_again(self):
        folder = importlib.util.find_spec("ministack.services").submodule_search_locations[0]
        with open(f"{folder}/dynamodb.py", encoding="utf-8") as file:
            text = file.read()
        for name in emulator_program.ASKED_AGAIN:
            self.assertIn(f"\ndef {name}(", text)
        self.assertIn("\ndef _tokenize(expr):", text)
        # Nothing else of the module of copies is there afterwards.
        self.assertEqual(set(re.findall(r"\bcopy\.(\w+)", text)), {"deepcopy"})


class DeepCopy(unittest.TestCase):
    def test_a_copy_is_equal_and_a_change_of_it_leaves_the_original(self):
        by_key = defaultdict(dict, {"a": {"N": "1"}})
        for original in ({"a": {"L": [{"S": "x"}, {"B": b"y"}, {"NULL": True}]}}, {"a": by_key}):
            copied = emulator_program.deep_copy(original)
            self.assertEqual(copied, original)
            self.assertIs(type(copied["a"]), type(original["a"]))
            copied["a"].clear()
            self.assertNotEqual(copied, original)


class Repeatable(unittest.TestCase):
    def setUp(self):
        self.functions = {"notifier": {"policy": {"Statement": []}}}
        self.add = emulator_program.repeatable(self.emulator, self.functions)

    def emulator(self, name, statement, _qualifier=None):
        """As the emulator answers: it takes each name of a statement once."""
        kept = self.functions[name]["policy"]["Statement"]
        if any(known["Sid"] == statement["StatementId"] for known in kept):
            return 409, {}, "exists"
        kept.append({"Sid": statement["StatementId"], "Principal": statement["Principal"]})
        return 201, {}, statement["Principal"]

    def test_a_permission_is_added_again_if_it_is_the_same(self):
        alerts = {"StatementId": "AllowAlerts", "Principal": "sns"}
        schedule = {"StatementId": "AllowSchedule", "Principal": "events"}
        for statement in (alerts, schedule, alerts):
            self.assertEqual(self.add("notifier", statement), (201, {}, statement["Principal"]))
        kept = self.functions["notifier"]["policy"]["Statement"]
        self.assertEqual([known["Sid"] for known in kept], ["AllowAlerts", "AllowSchedule"])

    def test_another_permission_of_the_same_name_is_refused(self):
        self.add("notifier", {"StatementId": "AllowAlerts", "Principal": "sns"})
        self.assertEqual(self.add("notifier", {"StatementId": "AllowAlerts", "Principal": "events"})[0], 409)
        kept = self.functions["notifier"]["policy"]["Statement"]
        self.assertEqual(kept, [{"Sid": "AllowAlerts", "Principal": "sns"}])

    def test_the_emulator_has_the_functions(self):
        folder = importlib.util.find_spec("ministack.services").submodule_search_locations[0]
        with open(f"{folder}/lambda_svc.py", encoding="utf-8") as file:
            text = file.read()
        self.assertIn("\ndef _add_permission(\n    func_name: str,\n    data: dict,\n", text)
        self.assertIn("\ndef _create_alias(func_name: str, data: dict):", text)
        self.assertIn("\n_functions = ", text)


class RepeatableAlias(unittest.TestCase):
    def setUp(self):
        self.functions = {"notifier": {"aliases": {}}}
        self.create = emulator_program.repeatable_alias(self.emulator, self.functions)
        self.made = 0

    def emulator(self, name, alias):
        aliases = self.functions[name]["aliases"]
        if alias["Name"] in aliases:
            return 409, "Alias already exists"
        self.made += 1
        aliases[alias["Name"]] = {**alias, "RevisionId": self.made}
        return 201, self.made

    def test_an_alias_is_made_again_if_it_is_the_same(self):
        alias = {"Name": "live", "FunctionVersion": "1"}
        self.assertEqual([self.create("notifier", alias)[0] for _ in range(2)], [201, 201])
        self.assertEqual(self.functions["notifier"]["aliases"], {"live": {**alias, "RevisionId": 2}})

    def test_an_alias_of_another_version_is_refused_and_the_first_one_stays(self):
        self.create("notifier", {"Name": "live", "FunctionVersion": "1"})
        self.assertEqual(self.create("notifier", {"Name": "live", "FunctionVersion": "2"}), (409, "Alias already exists"))
        self.assertEqual(self.functions["notifier"]["aliases"]["live"], {"Name": "live", "FunctionVersion": "1", "RevisionId": 1})



if __name__ == "__main__":
    unittest.main()
