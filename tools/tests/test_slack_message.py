import json
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path
from unittest import mock

import slack_message

SVG = "{http://www.w3.org/2000/svg}"
WIDTH = slack_message.INNER


def plain(text):
    return {"type": "plain_text", "text": text}


def markup(text):
    return {"type": "mrkdwn", "text": text}


MESSAGE = {"blocks": [
    {"type": "header", "text": plain("Critical: *not bold* <&>")},
    {"type": "section", "text": plain("word " * 60)},
    {"type": "section", "fields": [markup(f"*Label {n}*\nvalue {n}") for n in range(3)]},
    {"type": "section", "text": markup("<https://x.example/?a=1&amp;b=2|Open &lt;it&gt;>")},
    {"type": "context", "elements": [plain("Customer: a")]},
]}


def texts(message=MESSAGE):
    """What is drawn: text, class of the line, place."""
    root = xml.etree.ElementTree.fromstring(slack_message.svg(message))
    return [("".join(element.itertext()), element.get("class"), float(element.get("x")), float(element.get("y")))
            for element in root.iter(SVG + "text")]


class Markup(unittest.TestCase):
    def runs(self, line):
        return [(run.text, run.style) for run in slack_message.runs_of(line)]

    def test_styles(self):
        self.assertEqual(self.runs("a *b c* `d*e*` <https://x|f>, g"), [
            ("a ", ""), ("b c", "bold"), (" ", ""), ("d*e*", "code"), (" ", ""), ("f", "link"), (", g", ""),
        ])
        self.assertEqual(self.runs("<https://x.example>"), [("https://x.example", "link")])

    def test_entities_are_characters(self):
        self.assertEqual(self.runs("1 &lt; 2 &amp; *3 &gt; 2*"), [("1 < 2 & ", ""), ("3 > 2", "bold")])

    def test_plain_text_has_no_markup(self):
        [line] = slack_message.lines_of(plain("*a* <b> &lt;"))
        self.assertEqual([(run.text, run.style) for run in line], [("*a* <b> &lt;", "")])


class Wrapping(unittest.TestCase):
    def lines(self, text, width=80):
        return ["".join(run.text for run in line) for line in slack_message.wrapped(slack_message.lines_of(text), width, 15)]

    def test_between_words_and_at_line_ends(self):
        self.assertEqual(self.lines(plain("one two three four five\n\nsix")), ["one two", "three four", "five", "", "six"])

    def test_styles_go_on_in_the_next_line(self):
        lines = slack_message.wrapped(slack_message.lines_of(markup("*one two three*")), 70, 15)
        self.assertEqual([[(run.text, run.style) for run in line] for line in lines],
                         [[("one two", "bold")], [("three", "bold")]])

    def test_nothing_is_wider_than_it_may_be_and_nothing_is_lost(self):
        for text in ("W" * 200, "客户" * 60, "i" * 500 + " end", "short"):
            with self.subTest(text[:5]):
                for line in slack_message.wrapped(slack_message.lines_of(plain(text)), WIDTH, 15):
                    self.assertLessEqual(sum(run.width(15) for run in line), WIDTH)
                self.assertEqual("".join(self.lines(plain(text), WIDTH)).replace(" ", ""), text.replace(" ", ""))


class Drawing(unittest.TestCase):
    def test_all_of_the_message_is_there_from_top_to_bottom(self):
        drawn = texts()
        self.assertEqual([text for text, *_ in drawn[:3]], ["MeterFlow", "APP", "Critical: *not bold* <&>"])
        self.assertEqual(drawn[2][1], "header")
        self.assertEqual(" ".join(text for text, *_ in drawn if text.startswith("word")), ("word " * 60).strip())
        self.assertEqual([text for text, *_ in drawn[-2:]], ["Open <it>", "Customer: a"])
        self.assertEqual(drawn[-1][1], "context")
        outside = [y for *_, y in drawn if y > float(xml.etree.ElementTree.fromstring(slack_message.svg(MESSAGE)).get("height"))]
        self.assertEqual(outside, [])

    def test_fields_have_two_columns(self):
        places = {text: (x, y) for text, _, x, y in texts() if text.startswith("Label")}
        self.assertEqual(places["Label 0"][1], places["Label 1"][1])
        self.assertEqual(places["Label 0"][0], places["Label 2"][0])
        self.assertLess(places["Label 0"][0], places["Label 1"][0])
        self.assertLess(places["Label 0"][1], places["Label 2"][1])

    def test_what_it_cannot_draw_is_refused_and_not_left_out(self):
        for block, expected in [
            ({"type": "image", "alt_text": "x"}, "a block 'image'"),
            ({"type": "section", "text": {"type": "markdown", "text": "x"}}, "a text of the type 'markdown'"),
        ]:
            with self.subTest(expected), self.assertRaisesRegex(slack_message.MessageError, expected):
                slack_message.svg({"blocks": [block]})


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.source, self.target = (Path(folder.name) / name for name in ("message.json", "message.svg"))
        for name, file in (("SOURCE", self.source), ("TARGET", self.target)):
            patch = mock.patch.object(slack_message, name, file)
            patch.start()
            self.addCleanup(patch.stop)
        self.source.write_text(json.dumps(MESSAGE), encoding="utf-8")

    def run_with(self, *arguments):
        with mock.patch("sys.stderr") as stderr:
            code = slack_message.main(list(arguments))
        return code, "".join(call.args[0] for call in stderr.write.call_args_list)

    def test_a_picture_is_current_until_its_message_changes(self):
        self.assertEqual(self.run_with("--check")[0], 1)
        self.assertEqual(self.run_with(), (0, ""))
        self.assertEqual(self.run_with("--check"), (0, ""))
        self.source.write_text(json.dumps({"blocks": MESSAGE["blocks"][1:]}), encoding="utf-8")
        code, text = self.run_with("--check")
        self.assertEqual(code, 1)
        self.assertIn("is not the picture of message.json. Run: make docs", text)

    def test_a_message_that_cannot_be_read_is_told(self):
        for content in ("", "[]", '{"blocks": []}'):
            self.source.write_text(content, encoding="utf-8")
            code, text = self.run_with()
            self.assertEqual(code, 1)
            self.assertIn("Run: make docs", text)
        self.source.unlink()
        self.assertIn("There is no", self.run_with()[1])
        self.assertFalse(self.target.exists())

    def test_the_one_in_the_repository_is_current(self):
        docs = slack_message.DOCS
        picture = slack_message.svg(slack_message.load(docs / "slack-message.json"))
        slack_message.check(picture, docs / "slack-message.svg")


if __name__ == "__main__":
    unittest.main()
