"""Every relative link of the documents leads to a file, and its anchor to a heading."""

import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def documents():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


def anchors(file: Path):
    """The anchors of a document's headings, as GitHub makes them."""
    text = CODE.sub("", file.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


class Links(unittest.TestCase):
    def test_links_lead_somewhere(self):
        broken = []
        for file in documents():
            for link in LINK.findall(CODE.sub("", file.read_text(encoding="utf-8"))):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, anchor = link.partition("#")
                target = (file.parent / path).resolve() if path else file
                if not target.exists():
                    broken.append(f"{file.relative_to(ROOT)}: {link}: no such file")
                elif anchor and anchor not in anchors(target):
                    broken.append(f"{file.relative_to(ROOT)}: {link}: no such heading")
        self.assertEqual(broken, [])


if __name__ == "__main__":
    unittest.main()
