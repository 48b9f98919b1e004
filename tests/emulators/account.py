"""What a user does with crossfade, with the tools that a user has: the SAM CLI to install it, the AWS CLI to start, watch and
approve, as README.md and docs/operating.md tell."""

import contextlib
import functools
import json
import subprocess
import time

import boto3
from botocore.config import Config

from processes import REGION, ROOT, environment

TOOLS = ROOT / ".venv/bin"
# A deployment takes one minute at most here; a busy machine needs more.
PATIENCE_SECONDS = 300


class Failed(Exception):
    """What somebody has to look at."""


@functools.cache
def clients(endpoint):
    """boto3 clients of an endpoint, by service."""
    made = {}
    env = environment()
    session = boto3.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=REGION)

    def client(service):
        if service not in made:
            settings = Config(retries={"max_attempts": 2}, connect_timeout=10, read_timeout=120,
                              ignore_configured_endpoint_urls=True)
            made[service] = session.client(service, endpoint_url=endpoint, config=settings)
        return made[service]

    return client


def tool(program, *arguments, endpoint, patience=PATIENCE_SECONDS, env=None):
    """What a command-line tool prints."""
    command = [str(TOOLS / program), *map(str, arguments)]
    ran = subprocess.run(command, env=environment(endpoint, **(env or {})), cwd=ROOT, stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=patience, check=False)
    if ran.returncode:
        raise Failed(f"{program} {' '.join(map(str, arguments))}:\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
    return ran.stdout


def patiently(what, look, patience=PATIENCE_SECONDS):
    """The first answer that is one."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if seen := look():
            return seen
        time.sleep(0.3)
    raise Failed(f"{what}: not within {patience} s")


class Installation:
    """crossfade as `sam deploy` has made it, and its operator."""

    def __init__(self, stack, endpoint, parameters=None):
        self.stack = stack
        self.endpoint = endpoint
        # Where Parameter Store is.
        self.parameters = parameters or endpoint
        self.clients = clients(endpoint)
        # Where the executions are: here, unless another interpreter has them.
        self.interpreter = endpoint

    def aws(self, *arguments, endpoint=None):
        said = tool("aws", *arguments, "--output", "json", endpoint=endpoint or self.endpoint)
        return json.loads(said) if said.strip() else None

    def arn(self, machine):
        return f"arn:aws:states:{REGION}:{environment()['AWS_ACCESS_KEY_ID']}:stateMachine:{self.stack}-{machine}"

    def states(self):
        """A client of the interpreter."""
        return clients(self.interpreter)("stepfunctions")

    def start(self, name, document):
        return self.aws("stepfunctions", "start-execution", "--state-machine-arn", self.arn("deploy"), "--name", name,
                        "--input", json.dumps(document), endpoint=self.interpreter)["executionArn"]

    def asked(self, name, execution):
        """The record of the approval that a deployment waits for, found as docs/operating.md tells, once there is one."""
        def look():
            approvals = [record for sk, record in self.records(f"deployment#{name}").items() if sk.startswith("approval#")]
            if not approvals and (ended := self.look(execution))["status"] != "RUNNING":
                raise Failed(f"{name} ended without asking: {ended}")
            return any(record.get("decision") is None for record in approvals)
        patiently(f"{name} asks", look)
        found = self.aws(
            "dynamodb", "query", "--table-name", self.stack, "--consistent-read",
            "--key-condition-expression", "pk = :pk AND begins_with(sk, :sk)",
            "--expression-attribute-values", json.dumps({":pk": {"S": f"deployment#{name}"}, ":sk": {"S": "approval#"}}),
            "--query", "Items[].body.S")
        return next(record for record in map(json.loads, found) if record.get("decision") is None)

    def approve(self, asked, who):
        self.aws("stepfunctions", "send-task-success", "--task-token", asked["taskToken"], "--task-output",
                 json.dumps({"by": who, "comment": "looks good"}), endpoint=self.interpreter)

    def reject(self, asked, who):
        self.aws("stepfunctions", "send-task-failure", "--task-token", asked["taskToken"], "--error", "Rejected",
                 "--cause", json.dumps({"by": who, "comment": "not today"}), endpoint=self.interpreter)

    def stop(self, execution):
        self.aws("stepfunctions", "stop-execution", "--execution-arn", execution, "--error", "Halted",
                 "--cause", "somebody wanted it so", endpoint=self.interpreter)

    def started(self, name, machine="deploy"):
        """The execution of this name, once there is one."""
        execution = self.arn(machine).replace(":stateMachine:", ":execution:") + f":{name}"

        def look():
            try:
                return self.look(execution)
            except self.states().exceptions.ExecutionDoesNotExist:
                return None
        patiently(f"{name} is started", look)
        return execution

    def executions(self):
        """The names of the deployments that have been started."""
        pages = self.states().get_paginator("list_executions").paginate(stateMachineArn=self.arn("deploy"))
        return [execution["name"] for page in pages for execution in page["executions"]]

    def store(self, parameter, value):
        """Puts a parameter into Parameter Store. Answers its version and when that was, as names of executions have it."""
        self.aws("ssm", "put-parameter", "--name", parameter, "--type", "String", "--overwrite", "--value", value,
                 endpoint=self.parameters)
        put = clients(self.parameters)("ssm").get_parameter(Name=parameter)["Parameter"]
        return f"{put['Version']}-{int(put['LastModifiedDate'].timestamp())}"

    @contextlib.contextmanager
    def trigger(self, name, when, document):
        """A trigger, as long as it is wanted."""
        parameter = f"/{self.stack}/triggers/{name}"
        self.store(parameter, json.dumps({"when": when, "document": document}))
        try:
            yield
        finally:
            self.aws("ssm", "delete-parameter", "--name", parameter, endpoint=self.parameters)

    def look(self, execution):
        described = self.states().describe_execution(executionArn=execution)
        return {key: described.get(key) for key in ("status", "error", "cause", "output")}

    def ended(self, execution):
        def look():
            seen = self.look(execution)
            return None if seen["status"] == "RUNNING" else seen
        return patiently(f"{execution} ends", look)

    def records(self, pk):
        """The records of a partition of the table, by sort key."""
        table = self.clients("dynamodb")
        pages = table.get_paginator("query").paginate(
            TableName=self.stack, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True)
        return {item["sk"]["S"]: json.loads(item["body"]["S"]) if "body" in item else item
                for page in pages for item in page["Items"]}

    def log(self, name):
        return [record["line"] for _, record in sorted(self.records(f"log#{name}").items())]

    def lock(self, infrastructure):
        """Who holds the lock of an infrastructure definition."""
        found = self.records(f"infrastructure#{infrastructure}").get("lock", {})
        return found.get("holder", {}).get("S")
