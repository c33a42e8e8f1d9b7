"""The changes of the AWS emulator's program."""

import importlib.util
import unittest
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

    def test_the_emulator_has_the_functions_that_are_asked_again(self):
        folder = importlib.util.find_spec("ministack.services").submodule_search_locations[0]
        with open(f"{folder}/dynamodb.py", encoding="utf-8") as file:
            text = file.read()
        for name in emulator_program.ASKED_AGAIN:
            self.assertIn(f"\ndef {name}(", text)


if __name__ == "__main__":
    unittest.main()
