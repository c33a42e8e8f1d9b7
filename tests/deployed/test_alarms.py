"""Each alarm of the deployed stack tells the operators, and those whose cause the emulator knows go off by that cause.

The step `alarms` of the checks runs these tests with the environment of the stack. What an alarm watches is tested in
infra/modules/stack/tests/alarms.tftest.hcl: the emulator computes the metrics of functions alone, and ignores dimensions.
"""

import json
import re
import time
import unittest
from pathlib import Path

import boto3

PREFIX = "meterflow-anomaly-"
RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
ROW = re.compile(r"^\| \[((?:`[^`]+`(?:, )?)+)\]\(runbooks/\S+\) \|", re.MULTILINE)

# Rows of the runbook about alarms that this stack has not: it has no sources, no shards and no Amazon Q.
OF_OTHER_STACKS = {
    "failed-chat-deliveries", "finished-dead-letters", "network-drift-SOURCE", "networks-refused-SOURCE", "no-completed-run-N",
}

# A missing run is the absence of a metric. The emulator computes neither that nor a term of several metrics.
WITHOUT_EVALUATION = {"no-completed-run", "anomalies-per-hour", "store-errors", "table-throttles"}

WAIT_SECONDS = 30


def rows():
    """The alarms of the runbook. Some names end with a part in capitals that differs from alarm to alarm."""
    return [name for names in ROW.findall(RUNBOOK.read_text(encoding="utf-8")) for name in re.findall(r"`([^`]+)`", names)]


def is_of(name: str, row: str) -> bool:
    return re.fullmatch(re.sub(r"[A-Z]+$", ".+", row), name) is not None


class Stack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloudwatch, cls.sqs, sns = (boto3.client(service) for service in ("cloudwatch", "sqs", "sns"))
        pages = cls.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=PREFIX)
        cls.alarms = {alarm["AlarmName"].removeprefix(PREFIX): alarm for page in pages for alarm in page["MetricAlarms"]}
        topics = [topic["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for topic in page["Topics"]]
        cls.topic = next(arn for arn in topics if arn.endswith(f":{PREFIX}ops"))
        cls.queue = cls.sqs.create_queue(QueueName="of-the-tests-of-alarms")["QueueUrl"]
        arn = cls.sqs.get_queue_attributes(QueueUrl=cls.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        subscription = sns.subscribe(TopicArn=cls.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"},
                                     ReturnSubscriptionArn=True)["SubscriptionArn"]
        cls.addClassCleanup(cls.sqs.delete_queue, QueueUrl=cls.queue)
        cls.addClassCleanup(sns.unsubscribe, SubscriptionArn=subscription)

    def set_states(self, state, names=None):
        for name in names or self.alarms:
            self.cloudwatch.set_alarm_state(AlarmName=PREFIX + name, StateValue=state, StateReason="a test")

    def told(self, expected=()):
        """The alarms that told the operators, with their new states. It waits for the expected ones, and then takes what else there is."""
        seen, deadline = set(), time.monotonic() + WAIT_SECONDS
        while True:
            missing = set(expected) - seen
            received = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1 if missing else 0).get("Messages", [])
            for message in received:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                try:
                    body = json.loads(message["Body"])
                    seen.add((body["AlarmName"].removeprefix(PREFIX), body["NewStateValue"]))
                except (ValueError, KeyError):
                    pass  # The daily digest of another test.
            if not received and (not missing or time.monotonic() > deadline):
                return seen


class Alarms(Stack):
    def test_the_runbook_knows_each_and_each_row_has_one(self):
        known = rows()
        self.assertGreater(len(known), 20)
        self.assertEqual([name for name in sorted(self.alarms) if not any(is_of(name, row) for row in known)], [])
        without = {row for row in known if not any(is_of(name, row) for name in self.alarms)}
        self.assertEqual(without, OF_OTHER_STACKS)

    def test_each_acts_on_the_topic_of_the_operators(self):
        for name, alarm in self.alarms.items():
            self.assertTrue(alarm["ActionsEnabled"], name)
            self.assertEqual(alarm["AlarmActions"], [self.topic], name)
            self.assertIn(alarm["OKActions"], ([], [self.topic]), name)
            self.assertEqual(alarm["InsufficientDataActions"], [], name)

    def test_each_tells_when_it_goes_off_and_some_when_it_is_over(self):
        self.set_states("OK")
        self.told()
        self.set_states("ALARM")
        expected = {(name, "ALARM") for name in self.alarms}
        self.assertEqual(self.told(expected), expected)
        self.set_states("OK")
        expected = {(name, "OK") for name, alarm in self.alarms.items() if alarm["OKActions"]}
        self.assertGreater(len(expected), 5)
        self.assertEqual(self.told(expected), expected)


class Causes(Stack):
    def setUp(self):
        self.set_states("OK")
        self.told()

    def put(self, namespace, metric, dimensions, value):
        data = {"MetricName": metric, "Dimensions": dimensions, "Value": value}
        self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=[data])

    def test_a_value_beyond_the_threshold_sets_each_off(self):
        judged = {name: alarm for name, alarm in self.alarms.items() if name not in WITHOUT_EVALUATION}
        self.assertEqual([name for name, alarm in judged.items() if "MetricName" not in alarm], [])
        for name, alarm in judged.items():
            with self.subTest(name):
                is_above = alarm["ComparisonOperator"] == "GreaterThanThreshold"
                self.assertTrue(is_above or alarm["ComparisonOperator"] == "LessThanThreshold")
                self.set_states("OK", [name])
                self.told()
                self.put(alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"], alarm["Threshold"] + (1 if is_above else -1))
                self.assertIn((name, "ALARM"), self.told([(name, "ALARM")]))

    def errors(self, function):
        now = time.time()
        points = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda", MetricName="Errors", Dimensions=[{"Name": "FunctionName", "Value": function}],
            StartTime=now - 3600, EndTime=now + 60, Period=60, Statistics=["Sum"])["Datapoints"]
        return sum(point["Sum"] for point in points)

    def test_a_failed_invocation_sets_off_the_alarm_on_errors_of_the_notifier(self):
        function = f"{PREFIX}notifier"
        before = self.errors(function)
        answer = boto3.client("lambda").invoke(FunctionName=function, Qualifier="live", Payload=json.dumps({"test": {"channel": "there-is-none"}}))
        self.assertEqual(answer.get("FunctionError"), "Unhandled")
        self.assertGreater(self.errors(function), before)
        # The emulator looks at its alarms when somebody puts a metric.
        self.put("Tests", "Nothing", [], 0)
        self.assertIn(("notifier-errors", "ALARM"), self.told([("notifier-errors", "ALARM")]))


if __name__ == "__main__":
    unittest.main()
