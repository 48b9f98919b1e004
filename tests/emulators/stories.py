"""Deployments on emulators that nobody here wrote, and what boto3 sees of them. `cargo xtask emulators` runs this.

crossfade is installed as a user installs it (`sam build`, `sam deploy` of the shipped template into ministack), started and
approved as docs/operating.md tells. Every call of every function is checked against its role. Nothing of the project's own code
is used to look at the outcome.

    stories.py BUILT CROSSFADE [--architecture A] [--story NAME]... [--output json]

BUILT is what `sam build` has built, CROSSFADE the command (for its simulated AWS). They are played two at a time; one line is
printed per story.
"""

import argparse
import contextlib
import functools
import json
import multiprocessing
import signal
import sys
import tempfile
import time
import traceback
import urllib.request
from pathlib import Path

import boto3
import yaml
from botocore.exceptions import ClientError
from cfnlint.decode import cfn_yaml

import permissions
import sequences
from account import Failed, Installation, clients, patiently, tool
from events import Rule, listeners
from gate import Gate
from planes import Moto, Simulated
from processes import ACCOUNT, REGION, ROOT, dies_with_us, free_port, local, ministack, moto
from tasks import id_of

STACK = "crossfade"
STORIES = {}


def story(check):
    STORIES[check.__name__.replace("_", "-")] = check
    return check


def expect(seen, wanted, what):
    if seen != wanted:
        raise Failed(f"{what}: {seen!r} instead of {wanted!r}")


class Scene:
    """The emulators with crossfade installed in them."""

    def __init__(self, built, architecture, crossfade, logs):
        self.built, self.architecture, self.crossfade, self.logs = built, architecture, crossfade, logs
        self.running = contextlib.ExitStack()
        self.heard = []
        # What has been used, for the summary.
        self.planes, self.interpreters = [], []

    def __enter__(self):
        with contextlib.ExitStack() as starting:
            ministack_port, moto_port = free_port(), free_port()
            endpoint = f"http://127.0.0.1:{ministack_port}"
            self.admin = clients(endpoint)
            self.gate = Gate(("127.0.0.1", ministack_port), self.admin)
            starting.callback(self.gate.close)
            temporary = starting.enter_context(tempfile.TemporaryDirectory())
            gate_url = f"http://127.0.0.1:{self.gate.port}"
            starting.enter_context(ministack(self.logs, gate_url, ministack_port, temporary))
            starting.enter_context(moto(self.logs, self.gate.port, moto_port))
            self.moto_address = ("127.0.0.1", moto_port)
            self.moto = Moto(f"http://127.0.0.1:{moto_port}", self.admin)
            self.installation = Installation(STACK, endpoint, parameters=self.moto.endpoint)
            self.running = starting.pop_all()
        return self

    def __exit__(self, *_):
        self.running.close()

    def install(self):
        """`sam deploy` of what was built, and somebody who hears the notifications."""
        self.deploy(InstanceRoleArn=f"arn:aws:iam::{ACCOUNT}:role/*-InstanceRole-*", Architecture=self.architecture,
                    EcsTaskRoleArns=f"arn:aws:iam::{ACCOUNT}:role/*-ExecutionRole-*")
        stack = self.admin("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        queue = self.admin("sqs").create_queue(QueueName="notifications")["QueueUrl"]
        arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:notifications"
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                                                          "Action": "sqs:SendMessage", "Resource": arn}]}
        self.admin("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
        self.admin("sns").subscribe(TopicArn=self.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
        self.queue = queue

    def deploy(self, **parameters):
        """`sam deploy` with these parameters of the stack; the others stay as they are."""
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        tool("sam", "deploy", "--template-file", self.built / "template.yaml", "--config-file", ROOT / "samconfig.toml",
             "--no-confirm-changeset", "--parameter-overrides", *overrides, endpoint=self.installation.endpoint)
        self.gate.learn(STACK)

    def update(self, **parameters):
        """Other parameters of the stack, with the template and everything else as they are: nothing is packed or uploaded anew."""
        stacks = self.admin("cloudformation")

        def stack():
            return stacks.describe_stacks(StackName=STACK)["Stacks"][0]

        others = [each["ParameterKey"] for each in stack()["Parameters"] if each["ParameterKey"] not in parameters]
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        given += [{"ParameterKey": name, "UsePreviousValue": True} for name in others]
        stacks.update_stack(StackName=STACK, UsePreviousTemplate=True, Parameters=given,
                            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
        patiently("the stack is updated", lambda: not stack()["StackStatus"].endswith("IN_PROGRESS"))
        expect(stack()["StackStatus"], "UPDATE_COMPLETE", "the update of the stack")
        self.gate.learn(STACK)

    def rule(self, logical_id, kind):
        """A rule of the stack, for this kind of events."""
        described = self.admin("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
        return Rule(self.admin("events"), described["StackResourceDetail"]["PhysicalResourceId"], kind)

    def function(self, name):
        """The ARN of a function of the stack."""
        return self.admin("lambda").get_function(FunctionName=f"{STACK}-{name}")["Configuration"]["FunctionArn"]

    def calls(self, function, operation):
        """How often a function has called this."""
        return sum(call["function"] == function and call["operation"] == operation for call in self.gate.calls)

    @contextlib.contextmanager
    def with_parameters(self, **parameters):
        """The stack has other values of parameters, and afterwards those of the template again."""
        defaults = cfn_yaml.load(str(ROOT / "template.yaml"))["Parameters"]
        self.update(**parameters)
        try:
            yield
        finally:
            self.update(**{name: str(defaults[name]["Default"]) for name in parameters})

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
        self.plane = plane
        self.planes += [plane.name] * (plane.name not in self.planes)
        route = self.gate.route(STACK)
        route.plane, route.mends = plane, mends
        # ministack has parameters, too, but knows no resource for GetParametersByPath, so that no role would do.
        route.endpoints = {"ssm": self.moto_address} | {service: address for service in plane.SERVICES}

    @contextlib.contextmanager
    def without(self, function, action):
        """A function's role lacks an action."""
        configuration = self.admin("lambda").get_function(FunctionName=f"{STACK}-{function}")["Configuration"]
        role = configuration["Role"].rsplit("/", 1)[1]
        iam = self.admin("iam")
        before = iam.get_role_policy(RoleName=role, PolicyName=function)["PolicyDocument"]
        less = json.loads(json.dumps(before))
        for statement in less["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            statement["Action"] = [each for each in actions if each != action] or ["sts:GetCallerIdentity"]
        if less == before:
            raise Failed(f"{function} has no {action} that could be taken away")
        iam.put_role_policy(RoleName=role, PolicyName=function, PolicyDocument=json.dumps(less))
        self.gate.learn(STACK)
        try:
            yield
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=function, PolicyDocument=json.dumps(before))
            self.gate.learn(STACK)

    @contextlib.contextmanager
    def on_everything(self, action, *functions):
        """Roles may call this on every resource: ministack asks for no other."""
        iam = self.admin("iam")
        roles = [self.admin("lambda").get_function(FunctionName=f"{STACK}-{function}")["Configuration"]["Role"].rsplit("/", 1)[1]
                 for function in functions]
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
        for role in roles:
            iam.put_role_policy(RoleName=role, PolicyName="on-everything", PolicyDocument=json.dumps(allowed))
        try:
            yield
        finally:
            for role in roles:
                iam.delete_role_policy(RoleName=role, PolicyName="on-everything")

    @contextlib.contextmanager
    def interpreted_by(self, interpreter, plane):
        """crossfade, with its executions in this interpreter."""
        self.interpreters += [interpreter] * (interpreter not in self.interpreters)
        if interpreter == "crossfade-asl":
            yield Installation(STACK, plane.endpoint)
            return
        installation = Installation(STACK, self.installation.endpoint)
        route = self.gate.route(STACK)
        if interpreter == "moto":
            installation.interpreter = self.moto.endpoint
            self._define_in_moto()
            route.endpoints = {**route.endpoints, "states": self.moto_address}
        try:
            yield installation
        finally:
            route.endpoints = {service: to for service, to in route.endpoints.items() if service != "states"}

    def _define_in_moto(self):
        """The state machines of the stack, as they were deployed, in moto, which is told to execute them."""
        settings = urllib.request.Request(f"{self.moto.endpoint}/moto-api/config", method="POST",
                                          data=json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode(),
                                          headers={"Content-Type": "application/json"})
        urllib.request.urlopen(settings, timeout=10).close()
        there = self.moto("stepfunctions")
        known = {machine["name"] for machine in there.list_state_machines()["stateMachines"]}
        for output in ("DeployStateMachineArn", "RollbackStateMachineArn"):
            machine = self.admin("stepfunctions").describe_state_machine(stateMachineArn=self.outputs[output])
            if machine["name"] not in known:
                given = {key: machine[key] for key in ("name", "definition", "roleArn")}
                there.create_state_machine(**given)

    def enforces(self):
        """Whether a key that nobody has given out is refused, and every function's role is known to the gate."""
        stranger = boto3.client("dynamodb", region_name="eu-west-1", endpoint_url=self.installation.endpoint,
                                aws_access_key_id="AKIASTRANGER00000000", aws_secret_access_key="guessed")
        try:
            stranger.list_tables()
        except ClientError:
            return bool(self.gate.policies) and all(policies.statements for policies in self.gate.policies.values())
        return False

    def notifications(self):
        """The subjects of all that was published so far."""
        while received := self.admin("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                self.heard.append(json.loads(message["Body"])["Subject"])
                self.admin("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return self.heard


class Deployment:
    """One deployment, from its start to its end. `begin` starts it, if it is not started by hand; it may answer the name."""

    def __init__(self, scene, name, document, installation=None, begin=None):
        self.scene, self.name, self.document = scene, name, document
        self.installation = installation or scene.installation
        self.told, self.calls = len(scene.notifications()), len(scene.gate.calls)
        if begin:
            self.name = begin() or name
            self.execution = self.installation.started(self.name)
        else:
            self.execution = self.installation.start(name, document)

    @property
    def infrastructure(self):
        compute = self.document["compute"]
        service = compute.get("ecsService")
        base = f"{service['cluster']}:{service['base']}" if service else compute["autoScalingGroup"]["base"]
        return f"{self.document['service']}/{self.document['environment']}/{base}"

    def asked(self):
        return self.installation.asked(self.name, self.execution)

    def approve(self):
        self.installation.approve(self.asked(), "ann")

    def reject(self):
        self.installation.reject(self.asked(), "bob")

    def ends(self, outcome):
        """Waits for the end, and checks what every end has in common."""
        ended = self.installation.ended(self.execution)
        if outcome == "Succeeded":
            self._is("SUCCEEDED", None, ended)
            expect(json.loads(ended["output"])["outcome"], "Succeeded", "the outcome in the output")
        else:
            self._is("FAILED", outcome, ended)
        return self._over(outcome)

    def stop(self):
        """Stops the execution, which then runs nothing of its own any more."""
        self.installation.stop(self.execution)
        self._is("ABORTED", "Halted", self.installation.ended(self.execution))

    def is_swept(self):
        """Waits for the rollback of an execution that is dead, and checks what every end has in common."""
        rollback = self.installation.started(f"{self.name}-rollback-1", machine="rollback")
        self._is("SUCCEEDED", None, self.installation.ended(rollback))
        return self._over("FailedClean")

    def _is(self, status, error, ended):
        log = "\n".join(self.installation.log(self.name))
        expect((ended["status"], ended["error"]), (status, error), f"the end of {self.name} ({ended['cause']})\n{log}")

    def _over(self, outcome):
        """Checks what is kept and told of a deployment that is over. Answers its log."""
        installation = self.installation
        meta = installation.records(f"deployment#{self.name}")["meta"]
        expect(meta["status"], outcome[0].lower() + outcome[1:], "the status in the table")
        expect(installation.lock(self.infrastructure), None, "the holder of the lock")
        self.heard = self.scene.notifications()[self.told:]
        subject = f"crossfade: {self.infrastructure}"
        end = f"{subject} {'succeeded' if outcome == 'Succeeded' else 'rolled back'}"
        ours = [each for each in self.heard if each.startswith(subject)]
        expect((ours[:1], ours[-1:]), ([f"{subject} started"], [end]), f"first and last of what was heard, {self.heard}")
        refused = [call for call in self.scene.gate.calls[self.calls:] if call["refused"]]
        expect(refused, [], "calls that were refused")
        return installation.log(self.name)

    def candidate(self):
        """The group that this deployment has made."""
        tagged = [name for name, group in self.scene.plane.groups().items()
                  if any(tag["Key"] == "crossfade:deployment" and tag["Value"] == self.name for tag in group["Tags"])]
        expect(len(tagged), 1, f"groups made by {self.name}")
        return tagged[0]


# ------------------------------------------------------------------------------------------------------ the installation


@story
def install(scene):
    """`sam deploy` of the shipped template; every function has a role of its own, and everything else is as it says."""
    scene.install()
    template = json.loads(json.dumps(scene.admin("cloudformation").describe_stack_resources(StackName=STACK), default=str))
    kinds = [resource["ResourceType"] for resource in template["StackResources"]]
    functions = scene.admin("lambda").list_functions(MaxItems=100)["Functions"]
    expect(len(functions), kinds.count("AWS::Lambda::Function"), "functions")
    expect(len({function["Role"] for function in functions}), len(functions), "roles of functions")
    expect({function["Architectures"][0] for function in functions}, {scene.architecture}, "architectures")
    table = scene.admin("dynamodb").describe_table(TableName=STACK)["Table"]
    expect([key["AttributeName"] for key in table["KeySchema"]], ["pk", "sk"], "the table's keys")
    expect(table["DeletionProtectionEnabled"], True, "the table's deletion protection")
    for output in ("DeployStateMachineArn", "RollbackStateMachineArn"):
        definition = scene.admin("stepfunctions").describe_state_machine(stateMachineArn=scene.outputs[output])["definition"]
        expect("${" in definition, False, f"placeholders left in {output}")
    topic = scene.admin("sns").get_topic_attributes(TopicArn=scene.outputs["TopicArn"])["Attributes"]
    expect("aws:SecureTransport" in topic["Policy"], True, "the topic's policy")
    expect(scene.enforces(), True, "roles are enforced")


# ---------------------------------------------------------------------------------------------------------------- moto


def on_base(name, ami, routing, strategy, fixed=False):
    """A document for a sample base."""
    group = {"base": f"{name}-base", "name": name}
    if fixed:
        group["capacity"] = {"fixed": {"min": 2, "desired": 2, "max": 4}}
    return {"service": name, "environment": "test", "artifact": {"ami": ami}, "compute": {"autoScalingGroup": group},
            "routing": routing, "strategy": strategy, "timeouts": {"steadyStateMinutes": 3}}


def serves(plane, group, target_group, image, number):
    """A fleet has so many healthy instances of an image behind a target group."""
    expect(plane.size(group)[1], number, f"the size of {group}")
    expect(plane.healthy_instances(group, target_group), number, f"healthy instances of {group}")
    expect(plane.images_of(group), {image}, f"the images of {group}")


@story
def moto_shift(scene):
    """Blue/green by weights on moto: a first deployment, one that is approved, one that is rejected."""
    shift = {"blueGreenShift": {"percents": [10, 100], "approveAfterPercents": [10]}}
    with scene.on_moto() as plane:
        base = plane.base("weights")
        first, second, third = plane.images(3)
        rule, routing = base["RuleArn"], {"weighted": [base["RuleArn"]]}

        deployment = Deployment(scene, "moto-shift-1", on_base("weights", first, routing, shift, fixed=True))
        deployment.asked()
        expect(plane.forwards(rule), {"weights-a": 90, "weights-b": 10}, "weights while it asks")
        deployment.approve()
        deployment.ends("Succeeded")
        expect(plane.forwards(rule), {"weights-a": 0, "weights-b": 100}, "weights")
        serves(plane, "weights__1", base["TestTargetGroupArn"], first, 2)

        plane.forget_the_dead()
        deployment = Deployment(scene, "moto-shift-2", on_base("weights", second, routing, shift))
        deployment.approve()
        log = deployment.ends("Succeeded")
        expect(plane.forwards(rule), {"weights-a": 100, "weights-b": 0}, "weights")
        serves(plane, "weights__2", base["ProductionTargetGroupArn"], second, 2)
        expect(plane.size("weights__1"), [0, 0, 0], "the size of the old fleet")
        expect(plane.tags("weights__2").get("crossfade:infrastructure"), "weights/test/weights-base", "the ownership tag")
        expect([line for line in log if line.startswith("Approved by")], ["Approved by ann: looks good"], "who decided")

        plane.forget_the_dead()
        before = plane.state()
        deployment = Deployment(scene, "moto-shift-3", on_base("weights", third, routing, shift))
        deployment.asked()
        expect(plane.forwards(rule), {"weights-a": 90, "weights-b": 10}, "weights while it asks")
        expect(plane.size("weights__3"), [2, 2, 4], "the candidate's size")
        deployment.reject()
        deployment.ends("FailedClean")
        plane.forget_the_dead()
        expect(plane.changes(before), [], "what a rejected deployment has left")


@story
def moto_members(scene):
    """Basic and canary on moto, by the instances in one target group."""
    with scene.on_moto() as plane:
        base = plane.base("members")
        first, second, third = plane.images(3)
        production = base["ProductionTargetGroupArn"]
        routing = {"targetGroups": {"production": [production]}}
        Deployment(scene, "moto-basic-1", on_base("members", first, routing, {"basic": {}}, fixed=True)).ends("Succeeded")
        serves(plane, "members__1", production, first, 2)
        asking = {"basic": {"approveBeforeDownsize": True}}
        deployment = Deployment(scene, "moto-basic-2", on_base("members", second, routing, asking))
        deployment.asked()
        expect((plane.size("members__1")[1], plane.size("members__2")[1]), (2, 2), "sizes while it asks")
        deployment.approve()
        deployment.ends("Succeeded")
        serves(plane, "members__2", production, second, 2)
        expect(plane.size("members__1"), [0, 0, 0], "the size of the old fleet")

        plane.forget_the_dead()
        canary = {"canary": {"phases": [{"percent": 50}, {"percent": 100}], "approveAfterPhases": [1]}}
        deployment = Deployment(scene, "moto-canary", on_base("members", third, routing, canary))
        deployment.asked()
        expect((plane.size("members__2")[1], plane.size("members__3")[1]), (1, 1), "sizes while it asks")
        deployment.approve()
        deployment.ends("Succeeded")
        serves(plane, "members__3", production, third, 2)
        expect(plane.size("members__2"), [0, 0, 0], "the size of the old fleet")


@story
def moto_listener_swap(scene):
    """Two listeners exchange what they forward to, on moto."""
    with scene.on_moto() as plane:
        base = plane.base("swap", test_side=True)
        first, second = plane.images(2)
        production, test = base["RuleArn"], base["TestListenerArn"]
        routing = {"listeners": [{"production": production, "test": test}]}
        swap = {"blueGreenSwap": {"approveBeforeSwap": True}}
        for number, ami in enumerate((first, second), 1):
            plane.forget_the_dead()
            before = (plane.forwards(production), plane.forwards(test))
            deployment = Deployment(scene, f"moto-swap-{number}", on_base("swap", ami, routing, swap, fixed=number == 1))
            deployment.asked()
            expect((plane.forwards(production), plane.forwards(test)), before, "the listeners while it asks")
            deployment.approve()
            deployment.ends("Succeeded")
            swapped = (plane.forwards(production), plane.forwards(test))
            expect(([*swapped[0]], [*swapped[1]]), ([*before[1]], [*before[0]]), "the listeners")
            target_group = base["TestTargetGroupArn" if number == 1 else "ProductionTargetGroupArn"]
            serves(plane, f"swap__{number}", target_group, ami, 2)
        expect(plane.size("swap__1"), [0, 0, 0], "the size of the old fleet")


# ----------------------------------------------------------------------------------------------------- moto's services


def on_service(name, image, routing, strategy, fixed=False):
    """A document for a sample base whose fleets are services."""
    service = {"cluster": name, "base": f"{name}-base", "name": name}
    if fixed:
        service["capacity"] = {"fixed": {"min": 2, "desired": 2, "max": 4}}
    return on_base(name, None, routing, strategy) | {"artifact": {"image": image}, "compute": {"ecsService": service}}


def runs(plane, service, target_group, image, number):
    """A service has so many tasks of an image, all of them and nobody else healthy behind a target group."""
    found = plane.services()[service]
    expect(found["desiredCount"], number, f"the size of {service}")
    tasks = plane.tasks.of(found["clusterArn"].rsplit("/", 1)[1], service)
    addresses = {task["attachments"][0]["details"][0]["value"]: "healthy" for task in tasks}
    expect(plane.targets(target_group), addresses, f"targets of {service}")
    definition = plane("ecs").describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    expect([each["image"] for each in definition["containerDefinitions"]], [image], f"the images of {service}")


def second_opinion(scene, calls):
    """What crossfade has asked ECS for is taken by another one, and comes back field by field."""
    ecs = scene.admin("ecs")
    said = {call["operation"]: dict(call["said"]) for call in scene.gate.calls[calls:]
            if call["service"] == "ecs" and call["operation"] in ("RegisterTaskDefinition", "CreateService")}
    definition, service = said["RegisterTaskDefinition"], said["CreateService"]
    trusted = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                                                       "Action": "sts:AssumeRole"}]}
    scene.admin("iam").create_role(RoleName=definition["executionRoleArn"].rsplit("/", 1)[1],
                                   AssumeRolePolicyDocument=json.dumps(trusted))
    kept = ecs.register_task_definition(**definition)["taskDefinition"]
    fields = definition.keys() - {"containerDefinitions", "tags"}
    expect({key: kept.get(key) for key in fields}, {key: definition[key] for key in fields}, "the task definition")
    for asked, got in zip(definition["containerDefinitions"], kept["containerDefinitions"], strict=True):
        expect({key: got.get(key) for key in asked}, asked, "a container of the task definition")
    ecs.create_cluster(clusterName=service["cluster"])
    service["taskDefinition"] = kept["taskDefinitionArn"]
    ecs.create_service(**service)
    described = ecs.describe_services(cluster=service["cluster"], services=[service["serviceName"]], include=["TAGS"])
    kept = described["services"][0]
    # Two that no service shows, and what ministack forgets.
    fields = service.keys() - {"cluster", "clientToken", "availabilityZoneRebalancing"}
    expect({key: kept.get(key) for key in fields}, {key: service[key] for key in fields}, "the service")


@story
def moto_service(scene):
    """Services of ECS on moto by weights: a first one, an approved one, a rejected one; ministack's ECS judges the fields."""
    shift = {"blueGreenShift": {"percents": [10, 100], "approveAfterPercents": [10]}}
    images = [f"public.ecr.aws/nginx/nginx:1.{minor}" for minor in (27, 28, 29)]
    with scene.on_moto() as plane:
        base = plane.base("service", fleets="services")
        rule, routing = base["RuleArn"], {"weighted": [base["RuleArn"]]}
        calls = len(scene.gate.calls)
        deployment = Deployment(scene, "moto-service-1", on_service("service", images[0], routing, shift, fixed=True))
        deployment.asked()
        expect(plane.forwards(rule), {"service-a": 90, "service-b": 10}, "weights while it asks")
        deployment.approve()
        deployment.ends("Succeeded")
        expect(plane.forwards(rule), {"service-a": 0, "service-b": 100}, "weights")
        runs(plane, "service__1", base["TestTargetGroupArn"], images[0], 2)
        second_opinion(scene, calls)

        # From now on it is scaled: the next one takes that over.
        scaled = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
        scaling, resource = plane("application-autoscaling"), "service/service/service__1"
        scaling.register_scalable_target(**scaled, ResourceId=resource, MinCapacity=2, MaxCapacity=6)
        metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
        tracking = {"TargetValue": 50.0, "PredefinedMetricSpecification": metric}
        scaling.put_scaling_policy(**scaled, ResourceId=resource, PolicyName="cpu", PolicyType="TargetTrackingScaling",
                                   TargetTrackingScalingPolicyConfiguration=tracking)
        deployment = Deployment(scene, "moto-service-2", on_service("service", images[1], routing, shift))
        deployment.approve()
        deployment.ends("Succeeded")
        expect(plane.forwards(rule), {"service-a": 100, "service-b": 0}, "weights")
        runs(plane, "service__2", base["ProductionTargetGroupArn"], images[1], 2)
        runs(plane, "service__1", base["TestTargetGroupArn"], images[0], 0)
        limits = {name: (each["MinCapacity"], each["MaxCapacity"]) for name, each in plane.scalable_targets().items()}
        expect(limits, {"service__1": (0, 0), "service__2": (2, 6)}, "the limits of both services")
        policies = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
        expect({(each["ResourceId"].rsplit("/", 1)[1], each["PolicyName"]) for each in policies},
               {("service__1", "cpu"), ("service__2", "cpu")}, "the scaling policies of both services")
        tags = {tag["key"]: tag["value"] for tag in plane.services()["service__2"]["tags"]}
        expect(tags.get("crossfade:infrastructure"), "service/test/service:service-base", "the ownership tag")

        before = plane.state()
        deployment = Deployment(scene, "moto-service-3", on_service("service", images[2], routing, shift))
        deployment.asked()
        expect(plane.services()["service__3"]["desiredCount"], 2, "the candidate's size")
        deployment.reject()
        deployment.ends("FailedClean")
        expect(plane.changes(before), [], "what a rejected deployment has left")


# --------------------------------------------------------------------------------------- ministack's Route 53, and moto


class Name:
    """A name in a zone of ministack's Route 53."""

    def __init__(self, scene, name):
        self.route53 = scene.admin("route53")
        self.name = name
        zone = name.split(".", 1)[1]
        made = self.route53.create_hosted_zone(Name=zone, CallerReference=f"story-{zone}")
        self.zone, self.zone_name = made["HostedZone"]["Id"].rsplit("/", 1)[1], zone

    def records(self):
        """The records that share out the look-ups, by what they lead to."""
        listed = self.route53.list_resource_record_sets(HostedZoneId=self.zone)["ResourceRecordSets"]
        own = [each for each in listed if each["Name"].rstrip(".") == self.name]
        return {(each["AliasTarget"]["DNSName"] if "AliasTarget" in each else each["ResourceRecords"][0]["Value"]).rstrip("."): each
                for each in own}

    def weights(self):
        return {leads_to: each["Weight"] for leads_to, each in self.records().items()}

    def doubles(self):
        """Somebody doubles all weights, in one batch of their own."""
        records = self.records().values()
        batch = [{"Action": "DELETE", "ResourceRecordSet": each} for each in records]
        batch += [{"Action": "CREATE", "ResourceRecordSet": each | {"Weight": 2 * each["Weight"]}} for each in records]
        self.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": batch})


def refuses_what_is_stale(name, record):
    """Route 53 as AWS documents it: a batch that deletes what is not there any more changes nothing. All else relies on that."""
    stale = record | {"Weight": (record["Weight"] + 1) % 256}
    other = record | {"SetIdentifier": "another", "Weight": 1}
    batch = [{"Action": "DELETE", "ResourceRecordSet": stale}, {"Action": "CREATE", "ResourceRecordSet": other}]
    before = name.records()
    try:
        name.route53.change_resource_record_sets(HostedZoneId=name.zone, ChangeBatch={"Changes": batch})
    except ClientError as error:
        expect(error.response["Error"]["Code"], "InvalidChangeBatch", "the refusal of a stale batch")
    else:
        raise Failed("a stale batch was taken")
    expect(name.records(), before, "records after a stale batch")


def sets_no_other_names(scene, name):
    """The role of whoever sets records, as it was deployed, lets it do so for the stack's names alone, and no other role for any."""
    def may(function, *names, action="CREATE", kind="CNAME"):
        changes = [{"Action": action, "Name": f"{each}.", "Type": kind} for each in names]
        return scene.gate.policies[(STACK, function)].allow(permissions.change_of_records(name.zone, changes))

    expect(may("shift-weight", name.name), True, f"whether {name.name} may be set")
    expect(may("shift-weight", name.name, "www.elsewhere.test"), False, "whether others may be set, hidden among ours")
    expect(may("shift-weight", name.name, kind="MX"), False, "whether mail may be set")
    expect(may("shift-weight", name.name, action="UPSERT"), False, "whether records may be overwritten")
    others = [function for stack, function in scene.gate.policies if stack == STACK and function != "shift-weight"]
    expect([each for each in others if may(each, name.name)], [], "who else may set records")


def leads_to_two_stacks(scene, plane, name, colours):
    """A name that leads to two sample bases, which are two load balancers. Answers it, the target groups behind, what the load
    balancers are called, and the routing of a document."""
    groups = [plane.base(colour)["ProductionTargetGroupArn"] for colour in colours]
    described = [plane("elbv2").describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0] for arn in groups]
    balancers = [group["LoadBalancerArns"][0] for group in described]
    found = plane("elbv2").describe_load_balancers(LoadBalancerArns=balancers)["LoadBalancers"]
    called = {each["LoadBalancerArn"]: each["DNSName"].lower() for each in found}
    name = Name(scene, name)
    sides = [{"arn": arn, "targetGroups": [group]} for arn, group in zip(balancers, groups, strict=True)]
    routing = {"dns": [{"name": name.name, "zone": name.zone_name, "clientCacheSeconds": 0, "loadBalancers": sides}]}
    return name, groups, [called[arn] for arn in balancers], routing


@story
def moto_name(scene):
    """Two load balancers of moto behind a name of ministack's Route 53: a first deployment, a rejected one, and a human who is faster."""
    at_once = {"blueGreenShift": {"percents": [100]}}
    shift = {"blueGreenShift": {"percents": [10, 100], "approveAfterPercents": [10]}}
    may = scene.on_everything("route53:GetChange", "shift-weight", "wait-steady")
    with scene.on_moto() as plane, scene.with_parameters(DnsNames="*.shop.test"), may:
        # Two of them beside each other: they wait for what resolvers keep, one for whoever says no, the other until somebody is faster.
        name, groups, (blue, green), routing = leads_to_two_stacks(scene, plane, "www.shop.test", ("blue", "green"))
        edited, _, (teal, lime), elsewhere = leads_to_two_stacks(scene, plane, "www.edited.shop.test", ("teal", "lime"))
        sets_no_other_names(scene, name)
        images = plane.images(3)

        first = [Deployment(scene, "moto-name-1", on_base("blue", images[0], routing, at_once, fixed=True)),
                 Deployment(scene, "moto-edited-1", on_base("teal", images[0], elsewhere, at_once, fixed=True))]
        for deployment in first:
            deployment.ends("Succeeded")
        expect(name.weights(), {blue: 100, green: 0}, "weights after the first deployment")
        expect(edited.weights(), {teal: 100, lime: 0}, "weights of the other name after its first deployment")
        serves(plane, "blue__1", groups[0], images[0], 2)
        refuses_what_is_stale(name, next(iter(name.records().values())))

        plane.forget_the_dead()
        before, recorded = plane.state(), name.records()
        # Between the last look and the batch somebody is faster.
        scene.gate.route(STACK).before[f"ChangeResourceRecordSets {edited.name}"] = edited.doubles
        overtaken = Deployment(scene, "moto-edited-2", on_base("teal", images[2], elsewhere, shift))
        deployment = Deployment(scene, "moto-name-2", on_base("blue", images[1], routing, shift))
        deployment.asked()
        expect(name.weights(), {blue: 90, green: 10}, "weights while it asks")
        serves(plane, "blue__2", groups[1], images[1], 2)
        deployment.reject()
        deployment.ends("FailedClean")
        log = overtaken.ends("FailedClean")
        expect(any("Somebody changed them" in line for line in log), True, f"why, in the log: {log}")
        plane.forget_the_dead()
        expect(plane.changes(before), [], "what a rejected deployment has left, and one whose records somebody has edited")
        expect(name.records(), recorded, "the records after a rejected deployment")
        expect(edited.weights(), {teal: 200, lime: 0}, "the records as somebody has left them")


def tells_how_it_is(plane, name):
    """The container of a base gets a health check: without one Cloud Map would be told too early that a task serves."""
    ecs = plane("ecs")
    service = ecs.describe_services(cluster=name, services=[f"{name}-base"])["services"][0]
    known = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    given = {key: known[key] for key in ("family", "networkMode", "cpu", "memory", "executionRoleArn", "requiresCompatibilities")}
    page, *others = known["containerDefinitions"]
    page["healthCheck"] = {"command": ["CMD-SHELL", "wget -qO- http://127.0.0.1/ || exit 1"]}
    made = ecs.register_task_definition(**given, containerDefinitions=[page, *others])["taskDefinition"]
    ecs.update_service(cluster=name, service=f"{name}-base", taskDefinition=made["taskDefinitionArn"])


def found_by_name(plane, service, registry, image, number):
    """A service has so many tasks of an image, all of them and nobody else healthy in a Cloud Map service."""
    found = plane.services()[service]
    expect(found["desiredCount"], number, f"the size of {service}")
    tasks = plane.tasks.of(found["clusterArn"].rsplit("/", 1)[1], service)
    expect(plane.registered()[registry], {id_of(task): "HEALTHY" for task in tasks}, f"who is registered of {service}")
    definition = plane("ecs").describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    expect([each["image"] for each in definition["containerDefinitions"]], [image], f"the images of {service}")


def leads_to_two_registries(scene, plane, base, name, services):
    """A name that leads to two Cloud Map services, for services of ECS like a sample base. Answers it, and what writes a document."""
    plane.base(base, fleets="services")
    tells_how_it_is(plane, base)
    name = Name(scene, name)
    routing = {"dns": [{"name": name.name, "zone": name.zone, "services": services, "ttlSeconds": 1, "clientCacheSeconds": 0}]}

    def document(image, strategy, fixed=False):
        asked = on_service(base, image, routing, strategy, fixed)
        asked["compute"]["ecsService"]["container"] = "page"
        return asked

    return name, document


@story
def moto_registry(scene):
    """Services in two Cloud Map services of moto behind a name of ministack's Route 53: first, approved, rejected, edited by a human."""
    shift = {"blueGreenShift": {"percents": [10, 100], "approveAfterPercents": [10]}}
    images = [f"public.ecr.aws/nginx/nginx:1.{minor}" for minor in (26, 27, 28, 29)]
    may = scene.on_everything("route53:GetChange", "shift-weight", "wait-steady")
    with scene.on_moto() as plane, scene.with_parameters(DnsNames="*.registry.test"), may:
        # Two of them beside each other: one for whoever says yes and no, the other until somebody is faster.
        registries = plane.namespace("registry.internal", ("blue", "green", "teal", "lime"))
        (blue, in_blue), (green, in_green), (teal, in_teal), (lime, in_lime) = registries.items()
        name, document = leads_to_two_registries(scene, plane, "named", "www.registry.test", [in_blue, in_green])
        edited, elsewhere = leads_to_two_registries(scene, plane, "noted", "www.edited.registry.test", [in_teal, in_lime])
        sets_no_other_names(scene, name)

        other = Deployment(scene, "moto-noted-1", elsewhere(images[0], {"blueGreenShift": {"percents": [100]}}, fixed=True))
        deployment = Deployment(scene, "moto-registry-1", document(images[0], shift, fixed=True))
        deployment.approve()
        deployment.ends("Succeeded")
        other.ends("Succeeded")
        expect(name.weights(), {blue: 100, green: 0}, "weights after the first deployment")
        expect(edited.weights(), {teal: 100, lime: 0}, "weights of the other name after its first deployment")
        found_by_name(plane, "named__1", in_blue, images[0], 2)

        deployment = Deployment(scene, "moto-registry-2", document(images[1], shift))
        deployment.asked()
        expect(name.weights(), {blue: 90, green: 10}, "weights while it asks")
        found_by_name(plane, "named__2", in_green, images[1], 2)
        deployment.approve()
        deployment.ends("Succeeded")
        expect(name.weights(), {blue: 0, green: 100}, "weights")
        found_by_name(plane, "named__2", in_green, images[1], 2)
        found_by_name(plane, "named__1", in_blue, images[0], 0)

        before, recorded = plane.state(), name.records()
        # Between the last look and the batch somebody is faster.
        scene.gate.route(STACK).before[f"ChangeResourceRecordSets {edited.name}"] = edited.doubles
        overtaken = Deployment(scene, "moto-noted-2", elsewhere(images[3], shift))
        deployment = Deployment(scene, "moto-registry-3", document(images[2], shift))
        deployment.asked()
        expect(name.weights(), {green: 90, blue: 10}, "weights while it asks")
        deployment.reject()
        deployment.ends("FailedClean")
        log = overtaken.ends("FailedClean")
        expect(any("Somebody changed them" in line for line in log), True, f"why, in the log: {log}")
        expect(plane.changes(before), [], "what a rejected deployment has left, and one whose records somebody has edited")
        expect(name.records(), recorded, "the records after a rejected deployment")
        expect(edited.weights(), {teal: 200, lime: 0}, "the records as somebody has left them")


# ------------------------------------------------------------------------------------------- this project's simulation


def example(name):
    """A shipped example, which fits the shop of `crossfade local`, with shorter waits."""
    document = yaml.safe_load((ROOT / f"examples/{name}.yaml").read_text())
    for settings in document["strategy"].values():
        settings.pop("pauseSeconds", None)
    document["timeouts"] = {"steadyStateMinutes": 3}
    return document


def succeeds(scene, layout, document, name, meanwhile=None):
    """A deployment on the simulation that is approved. Answers the candidate, and the state of everything at the end."""
    with scene.on_simulation(layout) as plane:
        deployment = Deployment(scene, name, document)
        deployment.asked()
        candidate = deployment.candidate()
        if meanwhile:
            meanwhile(plane, candidate)
        deployment.approve()
        deployment.ends("Succeeded")
        expect(plane.size(candidate), [4, 4, 8], "the candidate's size")
        expect(plane.size("shop__6"), [0, 0, 0], "the old fleet's size")
        return candidate, plane.state()


def target_group(state, name):
    return next(arn for arn in state["targets"] if arn.split("/")[1] == name)


def all_healthy(state, group, name):
    """The instances of a group, and nothing else, are healthy behind a target group."""
    wanted = {instance: "healthy" for instance in state["groups"][group]["Instances"]}
    expect(state["targets"][target_group(state, name)], wanted, f"targets of {name}")


def rule_of(document):
    return document["routing"]["weighted"][0]


@story
def shift(scene):
    """Blue/green by weights, approved, where instances take time."""
    document = example("blue-green-shift")

    def meanwhile(plane, candidate):
        expect(plane.forwards(rule_of(document)), {"shop-a": 90, "shop-b": 10}, "weights while it asks")
        expect(plane.healthy_instances(candidate, target_group(plane.state(), "shop-b")), 4, "healthy new instances")

    candidate, state = succeeds(scene, "weighted", document, "shift", meanwhile)
    weights = {group["TargetGroupArn"].split("/")[1]: group["Weight"]
               for group in state["rules"][rule_of(document)]["Actions"][-1]["ForwardConfig"]["TargetGroups"]}
    expect(weights, {"shop-a": 0, "shop-b": 100}, "weights")
    all_healthy(state, candidate, "shop-b")


@story
def reject(scene):
    """A rejected shift leaves everything as it was."""
    with scene.on_simulation("weighted") as plane:
        before = plane.state()
        deployment = Deployment(scene, "reject", example("blue-green-shift"))
        deployment.asked()
        expect(plane.forwards(rule_of(deployment.document)), {"shop-a": 90, "shop-b": 10}, "weights while it asks")
        deployment.reject()
        log = deployment.ends("FailedClean")
        expect(plane.changes(before), [], "what a rejected deployment has left")
        expect(log[-1], "Rolled back: everything is as it was", "the last line of the log")


@story
def canary(scene):
    """A canary: instance by instance, in one target group."""
    def meanwhile(plane, candidate):
        expect((plane.size(candidate)[1], plane.size("shop__6")[1]), (1, 3), "sizes while it asks")

    candidate, state = succeeds(scene, "attached", example("canary"), "canary", meanwhile)
    all_healthy(state, candidate, "shop-a")


@story
def basic(scene):
    """Basic: all the new instances beside the old ones, which then go."""
    def meanwhile(plane, candidate):
        expect((plane.size(candidate)[1], plane.size("shop__6")[1]), (4, 4), "sizes while it asks")

    candidate, state = succeeds(scene, "attached", example("basic"), "basic", meanwhile)
    all_healthy(state, candidate, "shop-a")


@story
def swap(scene):
    """A swap by attachments: the candidate moves from test to production."""
    def meanwhile(plane, candidate):
        state = plane.state()
        all_healthy(state, candidate, "shop-b")
        all_healthy(state, "shop__6", "shop-a")

    candidate, state = succeeds(scene, "staged", example("blue-green-swap"), "swap", meanwhile)
    all_healthy(state, candidate, "shop-a")
    expect(state["groups"][candidate]["TargetGroupARNs"], [target_group(state, "shop-a")], "the candidate's target groups")


@story
def listener_swap(scene):
    """A swap by listeners: production and test exchange what they forward to."""
    document = example("listener-swap")
    pair = document["routing"]["listeners"][0]

    def meanwhile(plane, _):
        expect([*plane.forwards(pair["production"])], ["shop-a"], "production while it asks")

    candidate, state = succeeds(scene, "staged", document, "listener-swap", meanwhile)
    all_healthy(state, candidate, "shop-b")
    actions = state["rules"][pair["production"]]["Actions"], state["listeners"][pair["test"]]["DefaultActions"]
    forwards = [each[-1].get("ForwardConfig", {}).get("TargetGroups", each)[0]["TargetGroupArn"] for each in actions]
    expect([arn.split("/")[1] for arn in forwards], ["shop-b", "shop-a"], "what production and test forward to")


def fails(scene, how, name, why):
    with scene.on_simulation("weighted", how) as plane:
        before = plane.state()
        document = example("blue-green-shift")
        document["timeouts"] = {"steadyStateMinutes": 1}
        deployment = Deployment(scene, name, document)
        log = deployment.ends("FailedClean")
        expect(any(why in line for line in log), True, f"{why} in the log\n" + "\n".join(log))
        expect(plane.forwards(rule_of(document)), {"shop-a": 100, "shop-b": 0}, "weights")
        expect(plane.changes(before), [], "what a failed deployment has left")


@story
def unhealthy(scene):
    """Instances of the new image never pass their health checks."""
    fails(scene, "unhealthy", "unhealthy", "Target.FailedHealthChecks")


@story
def no_capacity(scene):
    """AWS has no instances to launch."""
    fails(scene, "launch", "no-capacity", "We currently do not have sufficient m6i.large capacity")


@story
def invalid(scene):
    """A document that is wrong is refused, and nobody's resources are looked at."""
    with scene.on_simulation("weighted") as plane:
        before = plane.state()
        document = example("blue-green-shift")
        document["artifact"] = {"ami": "latest"}
        calls = len(scene.gate.calls)
        execution = scene.installation.start("invalid", document)
        ended = scene.installation.ended(execution)
        expect((ended["status"], ended["error"]), ("FAILED", "FailedClean"), "the end")
        expect("artifact.ami" in ended["cause"], True, f"artifact.ami in the cause {ended['cause']}")
        services = {call["service"] for call in scene.gate.calls[calls:] if call["function"] == "prepare"}
        expect(services - {"dynamodb", "sns"}, set(), "other services that prepare has called")
        expect(plane.changes(before), [], "what a refused deployment has left")


# --------------------------------------------------------------------------------------------------------------- events


@story
def stopped(scene):
    """A deployment that somebody stops half-way is rolled back, since the sweep hears of it."""
    with scene.on_simulation("weighted") as plane:
        before = plane.state()
        deployment = Deployment(scene, "stopped", example("blue-green-shift"))
        deployment.asked()
        deployment.stop()
        deployment.is_swept()
        expect(plane.changes(before), [], "what a stopped deployment has left")


def asking_nobody(ami):
    """A deployment of the image that is given to it, or of another one."""
    return {**example("basic"), "artifact": {"ami": ami}, "variables": {"ami": None} if ami == "${ami}" else {},
            "strategy": {"basic": {}}}


def triggered(scene, plane, name, ami, begin):
    """A deployment that an event starts, of this image."""
    deployment = Deployment(scene, name, example("basic"), begin=begin)
    deployment.ends("Succeeded")
    expect(plane.images_of(deployment.candidate()), {ami}, f"the images of {deployment.name}")
    return deployment


@story
def triggers(scene):
    """Events start deployments, each one once; letting the stack listen disturbs no deployment that waits."""
    installation, parameter = scene.installation, "/shop/production/ami"
    with scene.on_simulation("attached") as plane:
        waits = Deployment(scene, "waits", example("basic"))
        waits.asked()
        with scene.with_parameters(TriggerOnImages="yes", TriggerOnParameters=parameter, TriggerOnSchedule="rate(1 minute)",
                                   ReadableParameterArns=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/shop/production/*"):
            waits.approve()
            waits.ends("Succeeded")
            before = set(installation.executions())

            # An image, told of twice at once and once again later. Another one is nobody's, and one has failed.
            rule = scene.rule("NewImageRule", "EC2 AMI State Change")
            image = {"ImageId": "ami-0a11ce00000000005", "State": "available"}
            others = ({**image, "ImageId": "ami-0a11ce00000000001"}, {**image, "State": "failed"})
            expect([rule.matches(each) for each in (image, *others)], [True, True, False], "what the rule for images matches")
            with installation.trigger("image", {"newImage": {"name": "*5"}}, asking_nobody("${ami}")):
                def happens():
                    for each in (image, image, *others):
                        rule.happens(each)

                triggered(scene, plane, "image-ami-0a11ce00000000005", image["ImageId"], happens)
                starts = scene.calls("start", "StartExecution")
                rule.happens(image)
                patiently("start starts it again", lambda: scene.calls("start", "StartExecution") > starts)

            # A parameter's new value. A broken trigger beside it is told of, and keeps nobody waiting.
            rule = scene.rule("ParameterRule", "Parameter Store Change")
            change = {"operation": "Update", "name": parameter, "type": "String"}
            others = ({**change, "name": "/shop/staging/ami"}, {**change, "operation": "Delete"})
            expect([rule.matches(each) for each in (change, *others)], [True, False, False], "what the rule for parameters matches")
            value = f"value-{installation.store(parameter, 'ami-0a11ce00000000004')}"
            with installation.trigger("broken", {}, {}), \
                    installation.trigger("value", {"parameter": parameter}, asking_nobody("${ami}")):
                heard = triggered(scene, plane, value, "ami-0a11ce00000000004", lambda: rule.happens(change)).heard
                expect("crossfade: trigger broken refused" in heard, True, f"the broken trigger told of in {heard}")

            # The time, which ministack tells by itself.
            installation.store(parameter, "ami-0a11ce00000000003")

            def comes():
                with installation.trigger("nightly", {"schedule": True}, asking_nobody({"fromParameter": parameter})):
                    return patiently("the time starts a deployment", lambda: next(
                        (name for name in installation.executions() if name.startswith("nightly-")), None))

            nightly = triggered(scene, plane, None, "ami-0a11ce00000000003", comes).name
            names = {"image-ami-0a11ce00000000005", value, nightly}
            expect(set(installation.executions()) - before, names, "what was started")
        # ministack finds no list empty in a condition, so the rule for parameters was there all the time, and stays.
        left = listeners(scene.admin("events"), scene.function("start"))
        expect(left, [rule.name], "rules that start deployments, once the stack no longer listens")


# ------------------------------------------------------------------------------------------------------ least privilege


@story
def permission_missing(scene):
    """Roles are enforced: without a permission the call is refused, the deployment undone, and the permission named."""
    roles = {"upscale": ("autoscaling:UpdateAutoScalingGroup", "resources"), "hold": ("dynamodb:UpdateItem", "the table")}
    for function, (action, where) in roles.items():
        with scene.on_simulation("weighted") as plane, scene.without(function, action):
            before = plane.state()
            document = example("blue-green-shift")
            name = f"without-{function}"
            execution = scene.installation.start(name, document)
            ended = scene.installation.ended(execution)
            why = f"without {action} on {where}: {ended['cause']}"
            expect((ended["status"], ended["error"]), ("FAILED", "FailedClean"), f"the end {why}")
            expect("AccessDenied" in ended["cause"] and action in ended["cause"], True, f"the action named {why}")
            expect(plane.changes(before), [], "what it has left")


# -------------------------------------------------------------------------------------------------------- interpreters


def played(scene, name, decide):
    """A shift on each interpreter of the state machines. Answers the paths of both machines, by interpreter."""
    paths = {"deploy": {}, "rollback": {}}
    outcomes = {}
    for interpreter in ("crossfade-asl", "ministack", "moto"):
        with scene.on_simulation("weighted") as plane:
            with scene.interpreted_by(interpreter, plane) as installation:
                deployment = Deployment(scene, f"{name}-{interpreter}", example("blue-green-shift"), installation)
                decide(installation, deployment.asked())
                ended = installation.ended(deployment.execution)
                outcomes[interpreter] = (ended["status"], ended["error"])
                states = installation.states()
                executions = {"deploy": deployment.execution}
                if ended["status"] == "FAILED":
                    executions["rollback"] = deployment.execution.replace("-deploy:", "-rollback:") + "-rollback-1"
                for machine, execution in executions.items():
                    # The rollback hands its outcome over in its last state but one: the deployment ends before it does.
                    installation.ended(execution)
                    paths[machine][interpreter] = sequences.path(sequences.entered(states, execution))
    expect(len(set(outcomes.values())), 1, f"different outcomes: {outcomes}")
    for machine, by_interpreter in paths.items():
        found = sequences.differences(by_interpreter)
        expect(found, [], f"the interpreters went different ways through {machine}")
    return outcomes["moto"], paths


@story
def interpreters_approve(scene):
    """Three interpreters enter the same states when a shift is approved."""
    outcome, paths = played(scene, "agree", lambda installation, asked: installation.approve(asked, "ann"))
    expect(outcome, ("SUCCEEDED", None), "the outcome")
    went = paths["deploy"]["ministack"]
    for state in ("Prepare", "Plan", "Setup", "Hold", "Upscale", "ShiftWeight", "Approve", "Downsize", "Prune", "Finish", "Succeeded"):
        expect(state in went, True, f"{state} in {went}")


@story
def interpreters_reject(scene):
    """And when it is rejected, through both machines."""
    outcome, paths = played(scene, "disagree", lambda installation, asked: installation.reject(asked, "bob"))
    expect(outcome, ("FAILED", "FailedClean"), "the outcome")
    went = paths["rollback"]["ministack"]
    for state in ("PlanRollback", "ShiftWeight", "Downsize", "Remove", "Hold", "Finish", "RolledBack"):
        expect(state in went, True, f"{state} in {went}")


# ----------------------------------------------------------------------------------------------------------------- main


# They wait more than they compute, so that these play two at a time, each in emulators of its own.
LANES = 2
# Those that take longest begin first: nobody is left alone with one.
LONG = ("moto-name", "moto-registry", "triggers", "moto-service", "interpreters-approve")


def told(name, scene):
    """Plays a story, and prints how it went. Answers whether it went well."""
    play, started, detail = STORIES[name], time.monotonic(), ""
    try:
        play(scene)
    except Exception as error:
        why = [str(error)] if isinstance(error, Failed) else traceback.format_exception(error, limit=-6, chain=False)
        detail = "\n    " + "".join(why).replace("\n", "\n    ")
    verdict = "FAILED" if detail else "ok"
    print(f"{name:24} {verdict:7} {time.monotonic() - started:6.1f} s  {play.__doc__.strip()}{detail}", flush=True)
    return not detail


def following(names, taken):
    """The next story that nobody has taken, if there is one."""
    with taken.get_lock():
        at, taken.value = taken.value, taken.value + 1
    return names[at] if at < len(names) else None


def lane(logs, arguments, names, taken, results):
    """Installs crossfade, and plays stories as long as there are any that no other lane has taken."""
    dies_with_us()
    stopped_when_asked()
    logs.mkdir(parents=True, exist_ok=True)
    with Scene(arguments.built, arguments.architecture, arguments.crossfade, logs) as scene:
        installed = told("install", scene)
        failed = int(not installed)
        while installed and (name := following(names, taken)):
            failed += not told(name, scene)
        enforced = bool(scene.gate.policies) and scene.enforces()
        results.put({"failed": failed, "interpreters": scene.interpreters, "planes": scene.planes, "iamEnforced": enforced})


def stopped_when_asked():
    """Whoever ends us: what was started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path)
    parser.add_argument("crossfade", type=Path)
    parser.add_argument("--story", action="append", default=[], choices=[*STORIES])
    parser.add_argument("--architecture", choices=["x86_64", "arm64"], default="x86_64", help="what BUILT was built for")
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    stopped_when_asked()
    names = [name for name in sorted(STORIES, key=lambda name: name not in LONG)
             if name != "install" and (name in arguments.story or not arguments.story)]
    with contextlib.ExitStack() as cleanup:
        logs = arguments.logs or Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        forked = multiprocessing.get_context("fork")
        taken, results = forked.Value("i", 0), forked.SimpleQueue()
        lanes = [forked.Process(target=lane, args=(logs / str(number), arguments, names, taken, results), daemon=True)
                 for number in range(1, max(1, min(LANES, len(names))) + 1)]
        for each in lanes:
            each.start()
        for each in lanes:
            each.join()
        ended = []
        while not results.empty():
            ended.append(results.get())
    stories = len(names) + 1
    # A lane that came to nothing has failed, too.
    dead = len(lanes) - len(ended)
    failed = sum(each["failed"] for each in ended) + dead
    summary = {"stories": stories, "failed": failed,
               **{key: sorted({name for each in ended for name in each[key]}) for key in ("interpreters", "planes")},
               "iamEnforced": len(ended) == len(lanes) and all(each["iamEnforced"] for each in ended)}
    if arguments.output == "json":
        print(json.dumps(summary, separators=(",", ":")))
    elif dead:
        print(f"{dead} of {len(lanes)} lanes died, and with them what they were to play of {stories} stories")
    else:
        print(f"{stories - failed} of {stories} stories passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
