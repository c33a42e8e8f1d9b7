"""The calls to the AWS emulator that need boto3. It runs in the tools' own Python environment, as a program:

    aws_calls.py OPERATION JSON-ARGUMENTS        prints the JSON answer

The launcher starts it with an environment that points every client at the emulator.
"""

import base64
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

GENERATION_PARAMETER = "/local-cloud/generation"

# A run of the detector may take the 300 seconds that its function is given; a second invocation by a retry would be
# a second run.
CONFIG = Config(read_timeout=330, retries={"total_max_attempts": 1})


def client(service):
    return boto3.client(service, config=CONFIG)


def read_generation():
    ssm = client("ssm")
    try:
        return ssm.get_parameter(Name=GENERATION_PARAMETER)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None


def write_generation(generation):
    client("ssm").put_parameter(Name=GENERATION_PARAMETER, Value=generation, Type="String", Overwrite=True)


def put_secret(name, username, password):
    """The ARN of a secret with these credentials, made or brought up to date."""
    secrets = client("secretsmanager")
    text = json.dumps({"username": username, "password": password})
    try:
        return secrets.create_secret(Name=name, SecretString=text)["ARN"]
    except secrets.exceptions.ResourceExistsException:
        return secrets.put_secret_value(SecretId=name, SecretString=text)["ARN"]


def subscribe_inbox(queue, topic_arn):
    """The URL of a queue that receives what the topic publishes, both as it is in production: with the envelope."""
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    return url


def verify_stack(function, table, topic_arn, queue_url):
    """Whether the parts that a deployed stack is used by are there."""
    try:
        function = client("lambda").get_function_configuration(FunctionName=function)
        table = client("dynamodb").describe_table(TableName=table)["Table"]
        client("sns").get_topic_attributes(TopicArn=topic_arn)
        client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    except ClientError:
        return False
    return function["State"] == "Active" and table["TableStatus"] == "ACTIVE"


def function_environment(function):
    return client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]


def invoke(function, payload):
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps(payload), LogType="Tail")
    return {
        "error": answer.get("FunctionError"),
        "answer": json.loads(answer["Payload"].read()),
        "log": base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
    }


OPERATIONS = {
    call.__name__: call
    for call in (read_generation, write_generation, put_secret, subscribe_inbox, verify_stack, function_environment, invoke)
}

if __name__ == "__main__":
    try:
        print(json.dumps(OPERATIONS[sys.argv[1]](**json.loads(sys.argv[2]))))
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"{error}")
