import json
import re
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import api_docs

DOCUMENT = {
    "info": {"title": "An API", "version": "1", "description": "What it\ndoes.\n\nAnd why."},
    "tags": [{"name": "things", "description": "All about things"}],
    "paths": {
        "/health": {"get": {"tags": ["things"], "summary": "Whether it answers", "responses": {
            "200": {"description": "It answers.", "content": {"application/json": {"schema": {"type": "object"}}}}}}},
        "/things/{id}": {"put": {
            "tags": ["things"], "summary": "Replace a thing", "description": "The whole\nof it.",
            "security": [{"jwt": ["things:write"]}],
            "parameters": [
                {"name": "id", "in": "path", "required": True, "description": "its id", "schema": {"type": "string"},
                 "example": "a/b c"},
                {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 9}, "example": 3},
                {"name": "other", "in": "query", "description": "a|b", "schema": {"type": "string"}},
                {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}, "example": '"0"'},
            ],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
            "responses": {
                "200": {"description": "Done.", "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Answer"}}}},
                "400": {"description": "It is wrong.", "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"}}}},
            },
        }},
    },
    "components": {"schemas": {
        "Answer": {"type": "object", "required": ["kind", "things"], "properties": {
            "things": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
            "note": {"type": ["string", "null"]},
            "kind": {"$ref": "#/components/schemas/Kind"},
            "since": {"oneOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
        }},
        "Kind": {"type": "string", "description": "What it is.", "enum": ["one", "other"]},
        "Time": {"description": "Any time.", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        "Thing": {"type": "object", "description": "A thing.", "required": ["name"], "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 1000, "example": "it's new"},
            "weight": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 100},
        }},
        "Problem": {"allOf": [
            {"$ref": "#/components/schemas/More"},
            {"type": "object", "required": ["status"], "properties": {"status": {"type": "integer"}}},
        ]},
        "More": {"type": "object", "required": ["request_id"], "properties": {"request_id": {"type": "string"}}},
    }},
}


class Markdown(unittest.TestCase):
    text = api_docs.markdown(api_docs.Document(DOCUMENT))

    def test_routes_with_their_scopes(self):
        self.assertIn("| [`GET /health`](#get-health) | open | Whether it answers |", self.text)
        self.assertIn("| [`PUT /things/{id}`](#put-thingsid) | `things:write` | Replace a thing |", self.text)

    def test_parameters_with_what_is_allowed(self):
        self.assertIn("| `id` | path | string | Its id |", self.text)
        self.assertIn("| `limit` | query | integer from 1 to 9 |  |", self.text)
        self.assertIn("| `other` | query | string | A\\|b |", self.text)
        self.assertIn("| `If-Match` | header | string, required |  |", self.text)

    def test_an_example_that_a_shell_takes(self):
        self.assertIn("\n".join([
            'curl -X PUT -H "Host: $API_HOST" -H "Authorization: Bearer $API_TOKEN_ADMIN" \\',
            "  -H 'If-Match: \"0\"' -H 'Content-Type: application/json' \\",
            """  -d '{"name": "it'"'"'s new"}' \\""",
            '  "$API_URL/things/a%2Fb%20c?limit=3"',
        ]), self.text)

    def test_bodies_and_answers(self):
        self.assertIn("Body: [Thing](#thing), or none.", self.text)
        self.assertIn("Answer 200: [Answer](#answer). Done. Problems: 400.", self.text)

    def test_fields_in_the_order_of_the_code(self):
        self.assertIn("\n".join([
            "| `kind` | `one` or `other` | What it is. |",
            "| `things` | list of [Thing](#thing) |  |",
            "| `note` | string or null |  |",
            "| `since` | integer or string or null | Any time. |",
        ]), self.text)
        self.assertIn("| `name` | string, 1 to 1,000 characters, required |  |\n"
                      "| `weight` | number above 0, at most 100 |  |", self.text)

    def test_problems_once(self):
        self.assertIn("| 400 | It is wrong. |", self.text)
        self.assertIn("| `status` | integer |  |\n| `request_id` | string |  |", self.text)
        self.assertEqual(self.text.count("`request_id`"), 1)

    def test_a_required_parameter_without_an_example_is_refused(self):
        changed = json.loads(json.dumps(DOCUMENT))
        del changed["paths"]["/things/{id}"]["put"]["parameters"][0]["example"]
        with self.assertRaises(api_docs.DocumentError) as raised:
            api_docs.markdown(api_docs.Document(changed))
        self.assertIn("the parameter id of PUT /things/{id} needs an example", str(raised.exception))


class Committed(unittest.TestCase):
    """The description of the real API."""

    document = api_docs.load(api_docs.SOURCE)

    def test_every_link_leads_to_one_heading(self):
        text = re.sub(r"```.*?```", "", api_docs.markdown(self.document), flags=re.DOTALL)
        headings = Counter(api_docs.anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE))
        self.assertEqual([heading for heading, number in headings.items() if number > 1], [])
        self.assertEqual(set(re.findall(r"\]\(#([^)]*)\)", text)) - set(headings), set())

    def test_every_route_is_described(self):
        described = [(method, path) for method, path, _ in self.document.routes()]
        content = json.loads(api_docs.SOURCE.read_text(encoding="utf-8"))
        self.assertEqual(sorted(described), sorted(
            (method.upper(), path) for path, operations in content["paths"].items() for method in operations
        ))


class Checking(unittest.TestCase):
    def test_what_is_not_current_is_refused_with_what_to_do(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "api.md"
            for text in (None, "old"):
                if text:
                    file.write_text(text, encoding="utf-8")
                with self.subTest(text), self.assertRaises(api_docs.DocumentError) as raised:
                    api_docs.check("new", file)
                self.assertIn("Run: make docs", str(raised.exception))
            file.write_text("new", encoding="utf-8")
            api_docs.check("new", file)

    def test_what_is_no_document_is_refused_with_what_to_do(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "openapi.json"
            for text in (None, "", "{}"):
                if text is not None:
                    file.write_text(text, encoding="utf-8")
                with self.subTest(text), self.assertRaises(api_docs.DocumentError) as raised:
                    api_docs.load(file)
                self.assertIn("Run: make docs", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
