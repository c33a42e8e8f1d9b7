import json
import re
import unittest
from pathlib import Path

from suspend_key import suspend_key
from suspend_key.suspend_key import Settings

EXAMPLE = Path(suspend_key.__file__).resolve().parent
ENVIRON = {"KEYS": '{"cust_0042": "a1b2c3d4e5"}', "METRICS": "api_calls, bandwidth", "DRY_RUN": "false"}


def event(**changes):
    """The event of a confirmed leak as the bus delivers it. tests/e2e/notifier/confirmed.rs gets the same from the bus."""
    confirmed = json.loads((EXAMPLE / "confirmed.json").read_text(encoding="utf-8"))
    confirmed["detail"].update(changes)
    return confirmed


def rule():
    """The pattern of the rule in main.tf, without the metrics, which are a variable."""
    text = (EXAMPLE / "main.tf").read_text(encoding="utf-8")
    lists = re.findall(r'(source|detail-type|severity|direction)\s*=\s*(\["[^"]*"\])', text)
    return {name: json.loads(values) for name, values in lists}


class Gateway:
    """API Gateway with one key."""

    def __init__(self, enabled=True):
        self.enabled, self.changes = enabled, []

    def get_api_key(self, apiKey):
        assert apiKey == "a1b2c3d4e5"
        return {"id": apiKey, "enabled": self.enabled}

    def update_api_key(self, apiKey, patchOperations):
        assert apiKey == "a1b2c3d4e5"
        self.changes.append(patchOperations)
        self.enabled = False


class SuspendKey(unittest.TestCase):
    def test_a_confirmed_leak_suspends_the_key_once(self):
        gateway = Gateway()
        settings = Settings.of(ENVIRON)
        done = suspend_key.suspend(event(), settings, gateway)
        self.assertEqual((done["suspended"], done["key"]), (True, "a1b2c3d4e5"))
        self.assertEqual(gateway.changes[0][0], {"op": "replace", "path": "/enabled", "value": "false"})
        self.assertIn("1795266000000.bandwidth.spike.Y3VzdF8wMDQy", gateway.changes[0][1]["value"])
        again = suspend_key.suspend(event(), settings, gateway)
        self.assertEqual((again["suspended"], len(gateway.changes)), (False, 1))

    def test_the_rule_leads_a_confirmed_leak_to_the_function(self):
        confirmed = event()
        found = {name: [confirmed.get(name, confirmed["detail"].get(name))] for name in rule()}
        self.assertEqual((found, len(found)), (rule(), 4))

    def test_a_dry_run_changes_nothing(self):
        for word in ["true", "", "no", "False?"]:
            gateway = Gateway()
            done = suspend_key.suspend(event(), Settings.of({**ENVIRON, "DRY_RUN": word}), gateway)
            self.assertEqual((done["suspended"], done["key"], gateway.changes), (False, "a1b2c3d4e5", []), word)
            self.assertIn("would be suspended", done["reason"])
        without = {name: value for name, value in ENVIRON.items() if name != "DRY_RUN"}
        self.assertTrue(Settings.of(without).is_dry_run, "a dry run is the default")

    def test_nothing_else_suspends_a_key(self):
        acknowledged = {**event(event="acknowledged"), "detail-type": "Anomaly Acknowledged"}
        other_type = {**event(), "detail-type": "Anomaly Opened"}
        for given in [
            event(severity="warning"), event(direction="drop"), event(metric="storage"), event(customer_id="cust_0001"),
            event(customer_id=None), event(event="opened"), acknowledged, other_type, {**event(), "source": "aws.ec2"}, {**event(), "detail": None}, {},
        ]:
            gateway = Gateway()
            self.assertFalse(suspend_key.suspend(given, Settings.of(ENVIRON), gateway)["suspended"], given)
            self.assertEqual(gateway.changes, [])

    def test_wrong_settings_are_refused(self):
        for keys in ["[]", '{"a": ""}', '{"a": 5}', "?"]:
            with self.assertRaises(ValueError, msg=keys):
                Settings.of({**ENVIRON, "KEYS": keys})


if __name__ == "__main__":
    unittest.main()
