"""What an operator does with boto3. The endpoint, the region and the credentials come from the environment.

    client.py start DOCUMENT NAME   starts a deployment of a YAML or JSON document; prints its execution's ARN
    client.py reject NAME WHY       waits until the deployment asks for approval, and says no
    client.py ended ARN             waits for the end of an execution; prints it
    client.py account RULE          prints the groups, and the weights and targets behind a listener rule
"""

import json
import sys
import time

import boto3
import yaml

MACHINE = "crossfade-deploy"
TABLE = "crossfade"
PATIENCE_SECONDS = 90


def start(document, name):
    with open(document, encoding="utf-8") as file:
        text = file.read()
    parsed = yaml.safe_load(text) if document.endswith(".yaml") else json.loads(text)
    states = boto3.client("stepfunctions")
    pages = states.get_paginator("list_state_machines").paginate()
    arns = [machine["stateMachineArn"] for page in pages for machine in page["stateMachines"] if machine["name"] == MACHINE]
    started = states.start_execution(stateMachineArn=arns[0], name=name, input=json.dumps(parsed))
    return started["executionArn"]


def reject(name, why):
    table = boto3.resource("dynamodb").Table(TABLE)
    key = boto3.dynamodb.conditions.Key

    def asked():
        found = table.query(KeyConditionExpression=key("pk").eq(f"deployment#{name}") & key("sk").begins_with("approval#"))
        return [json.loads(item["body"]) for item in found["Items"]]

    token = patiently(asked)[0]["taskToken"]
    boto3.client("stepfunctions").send_task_failure(taskToken=token, error="Rejected", cause=why)
    return token


def ended(arn):
    states = boto3.client("stepfunctions")

    def look():
        execution = states.describe_execution(executionArn=arn)
        return None if execution["status"] == "RUNNING" else execution

    execution = patiently(look)
    return {key: execution.get(key) for key in ("status", "error", "cause", "output")}


def account(rule):
    balancing = boto3.client("elbv2")
    groups = {
        group["AutoScalingGroupName"]: {
            "size": [group["MinSize"], group["DesiredCapacity"], group["MaxSize"]],
            "instances": sorted((i["InstanceId"], i["LifecycleState"], i["HealthStatus"]) for i in group["Instances"]),
            "tags": sorted((tag["Key"], tag["Value"]) for tag in group["Tags"]),
            "targetGroups": sorted(group["TargetGroupARNs"]),
            "suspended": sorted(process["ProcessName"] for process in group["SuspendedProcesses"]),
        }
        for page in boto3.client("autoscaling").get_paginator("describe_auto_scaling_groups").paginate()
        for group in page["AutoScalingGroups"]
    }
    routes = balancing.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][-1]["ForwardConfig"]["TargetGroups"]
    weights, targets = {}, {}
    for route in routes:
        arn = route["TargetGroupArn"]
        name = arn.split("/")[1]
        weights[name] = route["Weight"]
        health = balancing.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        targets[name] = sorted((target["Target"]["Id"], target["TargetHealth"]["State"]) for target in health)
    return {"groups": groups, "weights": weights, "targets": targets}


def patiently(look):
    """The first answer that is one."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        seen = look()
        if seen:
            return seen
        time.sleep(0.2)
    sys.exit(f"nothing came of {look.__name__} in {PATIENCE_SECONDS} s")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    print(json.dumps({"start": start, "reject": reject, "ended": ended, "account": account}[command](*arguments)))
