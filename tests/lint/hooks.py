"""The hooks of examples/hooks, each with what a deployment sends, and stand-ins for AWS.

    hooks.py    runs them; every problem is one line
"""

import http.server
import importlib.util
import sys
import threading
import types
from pathlib import Path

HOOKS = Path(__file__).resolve().parents[2] / "examples" / "hooks"
VERDICTS = {"pass", "fail", "wait"}


def event(state=None, **given):
    """What a hook is told, as crates/core/src/hook.rs writes it."""
    candidate = {"name": "shop__7", "revision": 7, "image": "ami-0a11ce00000000007", "desired": 2, "targetGroups": []}
    told = {"version": 1, "callId": "one/deploy/003/smoke", "candidate": candidate, "stable": [], "input": given}
    return told if state is None else {**told, "state": state}


class Builds:
    """CodeBuild: the build succeeds once it has been looked at twice."""

    def __init__(self):
        self.looked, self.tokens = 0, set()

    def start_build(self, projectName, environmentVariablesOverride, idempotencyToken):
        self.tokens.add(idempotencyToken)
        return {"build": {"id": f"{projectName}:1"}}

    def batch_get_builds(self, ids):
        self.looked += 1
        return {"builds": [{"buildStatus": "SUCCEEDED" if self.looked > 2 else "IN_PROGRESS"}]}


class Commands:
    """Systems Manager: one instance is done at first, then both; and Auto Scaling."""

    def __init__(self, last="Success"):
        self.looked, self.last = 0, last

    def describe_auto_scaling_groups(self, AutoScalingGroupNames):
        instances = [{"InstanceId": f"i-{n}", "LifecycleState": state} for n, state in enumerate(["InService", "Pending", "InService"])]
        return {"AutoScalingGroups": [{"Instances": instances}]}

    def send_command(self, DocumentName, InstanceIds, Comment, Parameters):
        assert InstanceIds == ["i-0", "i-2"], InstanceIds
        return {"Command": {"CommandId": "c-1"}}

    def get_paginator(self, operation):
        return self

    def paginate(self, CommandId):
        self.looked += 1
        second = "InProgress" if self.looked < 2 else self.last
        return [{"CommandInvocations": [{"InstanceId": "i-0", "Status": "Success"}, {"InstanceId": "i-2", "Status": second}]}]


def hook(name, client=None):
    """A hook, which gets this client whatever it asks boto3 for."""
    sys.modules["boto3"] = types.SimpleNamespace(client=lambda service: client)
    spec = importlib.util.spec_from_file_location(name, HOOKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


def verdicts(handler, told):
    """What it answers until it is done, called as crossfade does."""
    said = []
    for _ in range(10):
        answer = handler(told, None)
        said.append(answer["verdict"])
        if answer["verdict"] != "wait":
            return said
        told = {**told, "state": answer["state"]}
    return said


def smoke_test():
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/ok" else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{server.server_address[1]}"
    handler = hook("smoke_test")
    for urls, verdict in [([f"{page}/ok"], "pass"), ([f"{page}/ok", f"{page}/ill"], "fail"), (["http://127.0.0.1:1/"], "fail"), ([], "fail")]:
        yield verdicts(handler, event(urls=urls)), [verdict]
    server.shutdown()


def codebuild():
    builds = Builds()
    handler = hook("codebuild", builds)
    yield verdicts(handler, event(project="shop")), ["wait", "wait", "pass"]
    handler(event(project="shop"), None)
    yield len(builds.tokens), 1


def run_command():
    for last, verdict in [("Success", "pass"), ("Failed", "fail")]:
        yield verdicts(hook("run_command", Commands(last)), event(commands=["true"])), ["wait", "wait", verdict]


def main():
    problems = []
    for test in (smoke_test, codebuild, run_command):
        problems += [f"{test.__name__}: {found}, expected {expected}" for found, expected in test() if found != expected]
    known = {path.stem for path in HOOKS.glob("*.py")}
    problems += [f"{name} is run by no test" for name in known - {"smoke_test", "codebuild", "run_command"}]
    print("\n".join(problems) or f"{len(known)} hooks ok")
    return 1 if problems else 0


sys.exit(main())
