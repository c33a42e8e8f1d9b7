"""The trigger of the example of a Cognito user pool: whose token has which scopes and which customer."""

import json
import subprocess
import unittest
from pathlib import Path

TRIGGER = Path(__file__).resolve().parents[1] / "cognito" / "trigger.mjs"
RUN = """
const [trigger, event] = process.argv.slice(1);
const { handler } = await import(trigger);
console.log(JSON.stringify((await handler(JSON.parse(event))).response.claimsAndScopeOverrideDetails));
"""


def changes(groups, **attributes):
    """What becomes of the access token of a user. The event has the form of version 2 of the trigger."""
    event = {
        "version": "2", "triggerSource": "TokenGeneration_HostedAuth", "response": {"claimsAndScopeOverrideDetails": None},
        "request": {
            "userAttributes": {"sub": "1", "email": "user@example.com", **attributes}, "groupConfiguration": groups,
            "scopes": ["openid", "anomalies/read", "anomalies/write", "anomalies/admin"],
        },
    }
    result = subprocess.run(["node", "--input-type=module", "-e", RUN, str(TRIGGER), json.dumps(event)], stdout=subprocess.PIPE, check=True)
    token = json.loads(result.stdout)["accessTokenGeneration"]
    return sorted(token["scopesToSuppress"]), token["claimsToAddOrOverride"]


class Trigger(unittest.TestCase):
    def test_a_user_keeps_the_scopes_of_the_own_groups(self):
        groups = {"groupsToOverride": ["anomalies-read", "anomalies-admin", "others"]}
        self.assertEqual(changes(groups), (["anomalies/write"], {}))

    def test_a_user_without_groups_keeps_nothing(self):
        everything = ["anomalies/admin", "anomalies/read", "anomalies/write"]
        for groups in ({}, {"groupsToOverride": []}, {"groupsToOverride": ["read", "anomalies/read"]}, None):
            self.assertEqual(changes(groups), (everything, {}))

    def test_the_customer_is_a_claim(self):
        groups = {"groupsToOverride": ["anomalies-read", "anomalies-write"]}
        suppressed, claims = changes(groups, **{"custom:customer_id": "cust_0001"})
        self.assertEqual((suppressed, claims), (["anomalies/admin"], {"customer_id": "cust_0001"}))
