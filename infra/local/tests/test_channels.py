import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import aws
import channels
import settings
from console import CloudError

DESCRIBED = {
    "secrets": {"hook": "https://hooks.slack.com/services/T/B/x", "key": "k"},
    "channels": {
        "slack": {"type": "slack", "webhook_url_secret_arn": "secret:hook", "throttle_seconds": 0},
        "pager": {"type": "pagerduty", "routing_key_secret_arn": "secret:key", "api_url": "http://127.0.0.1:9999"},
    },
    "routes": [{"severities": ["critical"], "channels": ["pager"]}],
    "link": "http://127.0.0.1:3000/{incident_id}",
}


class Channels(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.put = []

    def variables(self, given, **options):
        def call(_, operation, name, text):
            self.put.append((operation, name, text))
            return f"arn:{name}"

        with mock.patch.object(aws, "call", call):
            return channels.variables(settings.load({"LOCAL_CHANNELS": given}, self.folder, **options), "meterflow")

    def test_without_any_nothing_is_made_and_loopback_is_still_allowed(self):
        self.assertEqual(self.variables(""), {
            "allow_loopback_channels": True, "notification_channels": {}, "notification_routes": [], "notification_link": None,
        })
        self.assertEqual(self.put, [])

    def test_secrets_are_put_into_the_emulator_and_named_by_their_arns(self):
        made = self.variables(json.dumps(DESCRIBED))
        self.assertEqual(self.put, [
            ("put_secret", "meterflow/channels/hook", "https://hooks.slack.com/services/T/B/x"),
            ("put_secret", "meterflow/channels/key", "k"),
        ])
        self.assertEqual(made, {
            "allow_loopback_channels": True,
            "notification_channels": {
                "slack": {"type": "slack", "webhook_url_secret_arn": "arn:meterflow/channels/hook", "throttle_seconds": 0},
                "pager": {"type": "pagerduty", "routing_key_secret_arn": "arn:meterflow/channels/key",
                          "api_url": "http://127.0.0.1:9999"},
            },
            "notification_routes": DESCRIBED["routes"],
            "notification_link": DESCRIBED["link"],
        })
        self.assertNotIn("hooks.slack.com", json.dumps(made))

    def test_a_file_is_as_good_as_the_text_itself(self):
        (self.folder / "channels.json").write_text(json.dumps(DESCRIBED))
        self.assertEqual(self.variables("channels.json"), self.variables(json.dumps(DESCRIBED)))
        self.assertEqual(self.variables(str(self.folder / "channels.json")), self.variables(json.dumps(DESCRIBED)))

    def test_what_could_not_work_is_refused_with_its_reason(self):
        for given, reason in (
            ("no-such-file.json", r"no-such-file.json \(LOCAL_CHANNELS\) cannot be read"),
            ("{", "LOCAL_CHANNELS is not JSON"),
            ({"chanels": {}}, "it has 'chanels', but only secrets, channels, routes, link are known"),
            ({"channels": []}, "channels must be a dict"),
            ({"channels": {"slack": "secret:hook"}}, "channels must be objects"),
            ({"secrets": {"hook": {"url": "x"}}}, "secrets must be texts"),
            ({"secrets": {"key": "k"}, "channels": {"slack": {"webhook_url_secret_arn": "secret:hook"}}},
             "names the secret 'hook', but secrets holds key"),
        ):
            with self.subTest(reason), self.assertRaisesRegex(CloudError, reason):
                self.variables(given if isinstance(given, str) else json.dumps(given))

    def test_a_file_with_a_list_is_refused(self):
        (self.folder / "channels.json").write_text("[]")
        with self.assertRaisesRegex(CloudError, "it must be an object with secrets, channels, routes, link"):
            self.variables("channels.json")
