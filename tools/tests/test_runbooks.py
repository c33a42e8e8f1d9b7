"""Each alarm of the stack has a section in the runbooks, and no section is about an alarm that there is not.

The commands of the runbooks are those of `test_runbook_commands.py`.
"""

import re
import unittest
from pathlib import Path

import configuration

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK, PAGES = ROOT / "docs/runbook.md", ROOT / "docs/runbooks"
RESOURCE = re.compile(r'^resource "aws_cloudwatch_\w*alarm" "\w+" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
# The alarms of one resource stand in maps. An entry begins with its description and ends by whether a mail tells that it is over.
ENTRY = re.compile(r"^ *(\S.*?) =>? \{\n +description += (?:(?!^ +tells_recovery).*\n)+^ +tells_recovery += (true|false)$", re.MULTILINE)
PARTS = ("It says.", "You notice.", "Look at.", "Causes.", "It is over when")


def stack() -> str:
    files = sorted(configuration.STACK.rglob("*.tf"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files if ".terraform" not in file.parts)


def alarms(text: str):
    """All alarms by their names behind the prefix of the stack, such as `undelivered-${name}`, and whether a mail tells that one is over."""
    found = {}
    for body in RESOURCE.findall(text):
        name = re.search(r'^  alarm_name += "\$\{var\.name_prefix\}-anomaly-(.+)"$', body, re.MULTILINE).group(1)
        if name != "${each.key}":
            found[name] = re.search(r"^  ok_actions ", body, re.MULTILINE) is not None
            continue
        for group in re.search(r"^  for_each = merge\((.+)\)$", body, re.MULTILINE).group(1).split(", "):
            block = re.search(rf"^  {group.removeprefix('local.')} += .*?^  [\]}})]+\S*$", text, re.MULTILINE | re.DOTALL).group(0)
            entries = ENTRY.findall(block)
            if not entries or len(entries) != block.count("tells_recovery"):
                raise AssertionError(f"not all alarms of {group} are understood: {entries}")
            for key, mails in entries:
                # `for … : condition ? "one" : "another"` has two names.
                found.update(dict.fromkeys(re.findall(r'"([^"]+)"', key) or [key], mails == "true"))
    return found


def sections():
    """The pages of alarms by the titles of their sections. Procedures have sections, too, and none of these parts."""
    found = {}
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if text.startswith("# Alarms"):
            for title, body in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
                found[title] = (page.name, body)
    return found


def section(alarm: str, titles):
    """The title of the section of an alarm. A part that differs from alarm to alarm is in capitals, or one section is for all."""
    base = re.sub(r"-?\$\{[^}]+\}", "", alarm)
    pattern = re.sub(r"\\\$\\\{.+?\\\}", "[A-Z]+", re.escape(alarm))
    return next((title for title in titles if re.fullmatch(pattern, title) or title == base), None)


class Alarms(unittest.TestCase):
    def setUp(self):
        self.alarms, self.sections = alarms(stack()), sections()

    def test_they_are_found(self):
        for name in ("detector-errors", "no-completed-run", "no-completed-run-${shard}", "undelivered-${name}", "network-drift-${source}", "no-customers"):
            self.assertIn(name, self.alarms)
        self.assertGreaterEqual(len(self.alarms), 24)

    def test_each_has_a_section(self):
        self.assertEqual([alarm for alarm in sorted(self.alarms) if section(alarm, self.sections) is None], [])

    def test_each_section_is_about_an_alarm(self):
        about = {section(alarm, self.sections) for alarm in self.alarms}
        self.assertEqual([title for title in self.sections if title not in about], [])

    def test_each_section_has_all_parts_in_their_order(self):
        for title, (_, body) in self.sections.items():
            self.assertEqual(re.findall(rf"^\*\*({'|'.join(map(re.escape, PARTS))})\*\*", body, re.MULTILINE), list(PARTS), title)

    def test_the_runbook_leads_to_each_section(self):
        rows = re.findall(r"^\| \[`([^`\]]+)`[^\]]*\]\((\S+?)\) \|", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(sorted(rows), sorted((title, f"runbooks/{page}#{title.lower()}") for title, (page, _) in self.sections.items()))

    def test_the_runbook_leads_to_each_procedure(self):
        text = RUNBOOK.read_text(encoding="utf-8")
        self.assertEqual([page.name for page in sorted(PAGES.glob("*.md")) if f"(runbooks/{page.name}" not in text], [])

    def test_a_section_promises_a_mail_where_one_comes(self):
        for alarm, mails in self.alarms.items():
            title = section(alarm, self.sections)
            if title is None:
                continue
            _, body = self.sections[title]
            end = body.split(PARTS[-1])[1]
            self.assertEqual(("the mail of the" in end, "No mail says so." in end), (mails, not mails), alarm)


class AlarmsWithoutSections(unittest.TestCase):
    def test_they_are_seen(self):
        titles = ["detector-errors", "no-completed-run", "undelivered-CHANNEL"]
        for alarm in ("detector-errors", "no-completed-run-${shard}", "undelivered-${name}"):
            self.assertIn(section(alarm, titles), titles)
        for alarm in ("detector-error", "undelivered", "disabled-${name}", "completed-run"):
            self.assertIsNone(section(alarm, titles))


if __name__ == "__main__":
    unittest.main()
