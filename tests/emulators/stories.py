"""Deployments on emulators that nobody here wrote, and what boto3 sees of them. `cargo xtask emulators` runs this.

crossfade is installed as a user installs it (`sam build`, `sam deploy` of the shipped template into ministack), started and
approved as docs/operating.md tells. Every call of every function is checked against its role. Nothing of the project's own code
is used to look at the outcome.

    stories.py BUILT CROSSFADE [--story NAME]... [--output json]

BUILT is what `sam build` has built, CROSSFADE the command (for its simulated AWS). One line is printed per story.
"""

import argparse
import contextlib
import json
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import sequences
from account import Failed, Installation, clients, tool
from gate import Gate
from planes import Moto, Simulated
from processes import ACCOUNT, ROOT, environment, free_port, local, ministack, moto

STACK = "crossfade"
STORIES = {}


def story(check):
    STORIES[check.__name__.replace("_", "-")] = check
    return check


def expect(seen, wanted, what):
    if seen != wanted:
        raise Failed(f"{what}: {seen!r} instead of {wanted!r}")


def differs(before, after, path=""):
    """Where two states differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in differs(before.get(key), after.get(key), f"{path}/{key}")]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


class Scene:
    """The emulators with crossfade installed in them."""

    def __init__(self, built, crossfade, logs):
        self.built, self.crossfade, self.logs = built, crossfade, logs
        self.running = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as starting:
            ministack_port, moto_port = free_port(), free_port()
            endpoint = f"http://127.0.0.1:{ministack_port}"
            self.admin = clients(endpoint)
            self.gate = Gate(("127.0.0.1", ministack_port), self.admin)
            starting.callback(self.gate.close)
            starting.enter_context(ministack(self.logs, f"http://127.0.0.1:{self.gate.port}", ministack_port))
            starting.enter_context(moto(self.logs, self.gate.port, moto_port))
            self.moto_address = ("127.0.0.1", moto_port)
            self.moto = Moto("http://127.0.0.1:{}".format(moto_port), self.admin)
            self.installation = Installation(STACK, endpoint)
            self.running = starting.pop_all()
        return self

    def __exit__(self, *_):
        self.running.close()

    def install(self):
        """`sam deploy` of what was built, and somebody who hears the notifications."""
        overrides = [f"InstanceRoleArn=arn:aws:iam::{ACCOUNT}:role/*-InstanceRole-*", "Architecture=x86_64"]
        said = tool("sam", "deploy", "--template-file", self.built / "template.yaml", "--config-file", ROOT / "samconfig.toml",
                    "--no-confirm-changeset", "--parameter-overrides", *overrides, endpoint=self.installation.endpoint)
        stack = self.admin("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        queue = self.admin("sqs").create_queue(QueueName="notifications")["QueueUrl"]
        arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:notifications"
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                                                          "Action": "sqs:SendMessage", "Resource": arn}]}
        self.admin("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
        self.admin("sns").subscribe(TopicArn=self.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
        self.queue = queue
        self.gate.learn(STACK)
        return said

    @contextlib.contextmanager
    def on_moto(self):
        """Functions find their resources in moto."""
        self._send(self.moto, self.moto_address, mends=True)
        yield self.moto

    @contextlib.contextmanager
    def on_simulation(self, layout, fail=None):
        """Functions find their resources in the shop of `crossfade local`."""
        process, endpoint = local(self.logs, self.crossfade, layout, fail)
        with process:
            plane = Simulated(endpoint)
            host, port = endpoint.removeprefix("http://").split(":")
            self._send(plane, (host, int(port)), mends=False)
            yield plane

    def _send(self, plane, address, mends):
        route = self.gate.route(STACK)
        route.plane, route.mends = plane, mends
        route.endpoints = {service: address for service in plane.SERVICES}

    def notifications(self):
        """The subjects of what was published meanwhile."""
        heard = []
        while received := self.admin("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                heard.append(json.loads(message["Body"])["Subject"])
                self.admin("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return heard


class Deployment:
    """One deployment, from its start to its end."""

    def __init__(self, scene, name, document):
        self.scene, self.name, self.document = scene, name, document
        scene.notifications()
        self.calls = len(scene.gate.calls)
        self.execution = scene.installation.start(name, document)

    @property
    def infrastructure(self):
        base = self.document["compute"]["autoScalingGroup"]["base"]
        return f"{self.document['service']}/{self.document['environment']}/{base}"

    def asked(self):
        return self.scene.installation.asked(self.name, self.execution)

    def approve(self):
        self.scene.installation.approve(self.asked(), "ann")

    def reject(self):
        self.scene.installation.reject(self.asked(), "bob")

    def ends(self, outcome):
        """Waits for the end, and checks what every end has in common."""
        installation = self.scene.installation
        ended = installation.ended(self.execution)
        wanted = ("SUCCEEDED", None) if outcome == "Succeeded" else ("FAILED", outcome)
        log = installation.log(self.name)
        expect((ended["status"], ended["error"]), wanted, f"the end of {self.name} ({ended['cause']})\n" + "\n".join(log))
        if outcome == "Succeeded":
            expect(json.loads(ended["output"])["outcome"], "Succeeded", "the outcome in the output")
        meta = installation.records(f"deployment#{self.name}")["meta"]
        expect(meta["status"], outcome, "the status in the table")
        expect(installation.lock(self.infrastructure), None, "the holder of the lock")
        heard = self.scene.notifications()
        if not any(self.name in subject for subject in heard):
            raise Failed(f"nobody heard of {self.name}: {heard}")
        refused = [call for call in self.scene.gate.calls[self.calls:] if call["refused"]]
        expect(refused, [], "calls that were refused")
        return log
