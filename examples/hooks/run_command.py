"""Runs `input.commands` on every instance of the new group, and wants all of them to succeed."""

import boto3

OVER = {"Success", "Cancelled", "TimedOut", "Failed"}


def handler(event, context):
    commands = boto3.client("ssm")
    state = event.get("state") or {}
    if "command" not in state:
        instances = of_group(event["candidate"]["name"])
        if not instances:
            return {"verdict": "fail", "message": f"{event['candidate']['name']} has no instance in service"}
        sent = commands.send_command(
            DocumentName="AWS-RunShellScript",
            InstanceIds=instances,
            Comment=event["callId"][:100],
            Parameters={"commands": event["input"]["commands"]},
        )
        state = {"command": sent["Command"]["CommandId"], "instances": len(instances)}
        return {"verdict": "wait", "message": "sent", "retryAfterSeconds": 10, "state": state}
    pages = commands.get_paginator("list_command_invocations").paginate(CommandId=state["command"])
    found = [invocation for page in pages for invocation in page["CommandInvocations"]]
    over = [invocation for invocation in found if invocation["Status"] in OVER]
    if len(over) < state["instances"]:
        message = f"{len(over)} of {state['instances']} are done"
        return {"verdict": "wait", "message": message, "retryAfterSeconds": 10, "state": state}
    wrong = [f"{each['InstanceId']}: {each['Status']}" for each in over if each["Status"] != "Success"]
    if wrong:
        return {"verdict": "fail", "message": "; ".join(wrong)}
    return {"verdict": "pass", "message": f"succeeded on {len(over)} instances"}


def of_group(name):
    """The ids of a group's instances that are in service; the first 50, which is as many as one command takes."""
    groups = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    instances = [instance for group in groups["AutoScalingGroups"] for instance in group["Instances"]]
    return [each["InstanceId"] for each in instances if each["LifecycleState"] == "InService"][:50]
