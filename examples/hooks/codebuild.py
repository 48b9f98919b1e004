"""Starts a build of the project `input.project`, and waits for it: tests of hours in a function of seconds."""

import hashlib

import boto3

RUNNING = "IN_PROGRESS"


def handler(event, context):
    builds = boto3.client("codebuild")
    build = (event.get("state") or {}).get("build")
    if build is None:
        variables = {"IMAGE": event["candidate"]["image"], "FLEET": event["candidate"]["name"]}
        started = builds.start_build(
            projectName=event["input"]["project"],
            environmentVariablesOverride=[{"name": name, "value": value} for name, value in variables.items()],
            # The same call may come twice: there is one build.
            idempotencyToken=hashlib.sha256(event["callId"].encode()).hexdigest(),
        )
        build = started["build"]["id"]
    [found] = builds.batch_get_builds(ids=[build])["builds"]
    if found["buildStatus"] == RUNNING:
        return {"verdict": "wait", "message": f"{build} runs", "retryAfterSeconds": 30, "state": {"build": build}}
    verdict = "pass" if found["buildStatus"] == "SUCCEEDED" else "fail"
    return {"verdict": verdict, "message": f"{build}: {found['buildStatus']}"}
