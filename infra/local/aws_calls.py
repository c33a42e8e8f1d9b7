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

# The alias that all callers of a function invoke.
ALIAS = "live"

# The emulator holds the package of each version in memory. Three versions are enough to go back and forth.
VERSIONS_KEPT = 3

# A run of the detector may take the 300 seconds of its function. A retry would be a second run.
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


def put_secret(name, text):
    """The ARN of a secret with this text, made or brought up to date."""
    secrets = client("secretsmanager")
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


def verify_stack(functions, table, topic_arn, queue_url, api_id):
    """Whether the parts that a deployed stack is used by are there. Without an API the api_id is None."""
    try:
        functions = [client("lambda").get_function_configuration(FunctionName=function, Qualifier=ALIAS) for function in functions]
        table = client("dynamodb").describe_table(TableName=table)["Table"]
        client("sns").get_topic_attributes(TopicArn=topic_arn)
        client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        has_api = api_id is None or _has_routes_and_authorizer(api_id)
    except ClientError:
        return False
    return has_api and table["TableStatus"] == "ACTIVE" and all(function["State"] == "Active" for function in functions)


def _has_routes_and_authorizer(api_id):
    gateway = client("apigatewayv2")
    return bool(gateway.get_routes(ApiId=api_id)["Items"] and gateway.get_authorizers(ApiId=api_id)["Items"])


def delete_old_versions(functions):
    """Deletes all versions but the newest ones, and never the one that runs."""
    lambda_ = client("lambda")
    for function in functions:
        pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        numbers = sorted(int(version["Version"]) for page in pages for version in page["Versions"] if version["Version"] != "$LATEST")
        running = int(lambda_.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"])
        for number in numbers[:-VERSIONS_KEPT]:
            if number != running:
                lambda_.delete_function(FunctionName=function, Qualifier=str(number))


def function_environment(function):
    return client("lambda").get_function_configuration(FunctionName=function, Qualifier=ALIAS)["Environment"]["Variables"]


def invoke(function, payload):
    answer = client("lambda").invoke(FunctionName=function, Qualifier=ALIAS, Payload=json.dumps(payload), LogType="Tail")
    return {
        "error": answer.get("FunctionError"),
        "answer": json.loads(answer["Payload"].read()),
        "log": base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
    }


OPERATIONS = {
    call.__name__: call
    for call in (
        read_generation, write_generation, put_secret, subscribe_inbox, verify_stack,
        delete_old_versions, function_environment, invoke,
    )
}

if __name__ == "__main__":
    try:
        print(json.dumps(OPERATIONS[sys.argv[1]](**json.loads(sys.argv[2]))))
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"{error}")
