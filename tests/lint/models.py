"""Every request that the tests have made to the simulated AWS is one that AWS's own models know.

    models.py DIRECTORY   checks what the simulation has written there (CROSSFADE_REQUESTS); every problem is one line
    models.py --self-test checks good requests and ones that are wrong on purpose, and fails unless the wrong ones are noticed

The simulation answers what it was written to answer, and the clients under test send what they were written to send. That both are
right about the names, the types and what must not be missing, botocore's models say: they are AWS's. A request is turned back into
the parameters that somebody would have given to boto3, which botocore's own validator then judges; enumerations and upper limits,
on which botocore is silent, are judged here by the same models.
"""

import base64
import binascii
import json
import re
import sys
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import botocore.session
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

ROOT = Path(__file__).resolve().parents[2]
# With such codes services say that they do not understand a request. Tests ask so on purpose: then the simulation and the model agree.
MISUNDERSTOOD = re.compile("Invalid|Validation|ClientException|Missing|NotImplemented|Serialization|Unknown")
# Members that AWS may have one day: tests show that they are kept (P83).
FUTURE = re.compile("somethingNew|alsoNew")
# What a request is signed for, and the name of its model.
MODELS = {
    "application-autoscaling": "application-autoscaling",
    "autoscaling": "autoscaling",
    "cloudformation": "cloudformation",
    "dynamodb": "dynamodb",
    "ec2": "ec2",
    "ecs": "ecs",
    "elasticloadbalancing": "elbv2",
    "events": "events",
    "lambda": "lambda",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "route53": "route53",
    "s3": "s3",
    "secretsmanager": "secretsmanager",
    "servicediscovery": "servicediscovery",
    "sns": "sns",
    "ssm": "ssm",
    "states": "stepfunctions",
    "sts": "sts",
}


class Misfit(Exception):
    """What a model does not know."""


class Forms:
    """Reads forms: AWS Query, and EC2's dialect of it. The inverse of botocore's serializers for them."""

    def __init__(self, form, ec2):
        self.left, self.ec2 = dict(form), ec2

    def parameters(self, shape):
        read = self.structure(shape, "") if shape else {}
        if self.left:
            raise Misfit(f"unknown: {', '.join(sorted(self.left))}")
        return read

    def under(self, prefix):
        """Whether anything is left of what begins so."""
        return prefix in self.left or any(key.startswith(f"{prefix}.") for key in self.left)

    def value(self, shape, prefix):
        read = getattr(self, shape.type_name, None)
        return read(shape, prefix) if read else scalar(shape, self.left.pop(prefix, None), prefix)

    def name(self, shape, default):
        if not self.ec2:
            return shape.serialization.get("name", default)
        name = shape.serialization.get("name", default)
        return shape.serialization.get("queryName") or (name[0].upper() + name[1:] if "name" in shape.serialization else name)

    def structure(self, shape, prefix):
        read = {}
        for name, member in shape.members.items():
            path = ".".join(part for part in (prefix, self.name(member, name)) if part)
            if self.under(path):
                read[name] = self.value(member, path)
        return read

    def numbered(self, prefix):
        """The paths of the elements, which are numbered from 1 without a gap."""
        found = {int(match[1]) for key in self.left if (match := re.match(rf"{re.escape(prefix)}\.(\d+)(\.|$)", key))}
        if found != set(range(1, len(found) + 1)):
            raise Misfit(f"{prefix} is numbered {sorted(found)}")
        return [f"{prefix}.{number}" for number in sorted(found)]

    def list(self, shape, prefix):
        if self.left.get(prefix) == "":
            # How an empty list is said.
            del self.left[prefix]
            return []
        if not self.ec2 and not shape.serialization.get("flattened"):
            prefix = f"{prefix}.{shape.member.serialization.get('name', 'member')}"
        return [self.value(shape.member, path) for path in self.numbered(prefix)]

    def map(self, shape, prefix):
        if not shape.serialization.get("flattened"):
            prefix = f"{prefix}.entry"
        key, value = self.name(shape.key, "key"), self.name(shape.value, "value")
        return {self.value(shape.key, f"{path}.{key}"): self.value(shape.value, f"{path}.{value}") for path in self.numbered(prefix)}


def scalar(shape, text, path):
    """What a text in a form or a header means."""
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
            case "timestamp":
                return datetime.fromisoformat(text)
            case "blob":
                return base64.b64decode(text, validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise Misfit(f"{path}: {text!r} is no {shape.type_name}") from error
    return text


def member(shape, value, protocol, path=""):
    """What a member of a JSON or CBOR body means. What does not fit its shape is left for the validator to see."""
    match shape.type_name, value:
        case "structure", dict() if not shape.is_document_type:
            read = {}
            known = {each.serialization.get("name", name): (name, each) for name, each in shape.members.items()}
            for key, each in value.items():
                name, of = known.get(key, (key, None))
                read[name] = member(of, each, protocol, f"{path}.{key}") if of else each
            return read
        case "map", dict():
            return {key: member(shape.value, each, protocol, f"{path}.{key}") for key, each in value.items()}
        case "list", list():
            return [member(shape.member, each, protocol, f"{path}[{index}]") for index, each in enumerate(value)]
        case "timestamp", int() | float():
            return datetime.fromtimestamp(value, timezone.utc)
        # The simulation has read CBOR's own timestamps as texts.
        case "timestamp", str() if protocol == "Json":
            raise Misfit(f"{path[1:]}: {value!r} is no number of seconds")
        case "blob", str():
            try:
                return base64.b64decode(value, validate=True)
            except binascii.Error as error:
                raise Misfit(f"{path[1:]}: {value!r} is not in base64") from error
    return value


def document(shape, value, path):
    """What a document in XML means, whose elements the simulation has read as texts."""
    match shape.type_name, value:
        case "structure", dict():
            known = {each.serialization.get("name", name): (name, each) for name, each in shape.members.items()}
            read = {}
            for key, each in value.items():
                name, of = known.get(key, (key, None))
                read[name] = document(of, each, f"{path}.{key}") if of else each
            return read
        case "list", list():
            return [document(shape.member, each, f"{path}[{index}]") for index, each in enumerate(value)]
        case "structure" | "list", _:
            raise Misfit(f"{path[1:]}: {value!r} is no {shape.type_name}")
    return scalar(shape, value, path[1:])


def beyond(shape, value, path=""):
    """What botocore's validator leaves to the service: enumerations, and what is too large or too long."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from beyond(member, value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for index, each in enumerate(value):
            yield from beyond(shape.member, each, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, each in value.items():
            yield from beyond(shape.key, key, f"{path} (key {key})")
            yield from beyond(shape.value, each, f"{path}.{key}")
    if shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path[1:]}: {value!r} is none of {', '.join(shape.enum)}"
    size = value if shape.type_name in ("integer", "long", "float", "double") else len(value) if hasattr(value, "__len__") else 0
    if size > shape.metadata.get("max", size):
        yield f"{path[1:]}: {size} is more than {shape.metadata['max']}"


class Models:
    """AWS's models, as botocore brings them."""

    def __init__(self):
        self.session, self.loaded = botocore.session.get_session(), {}

    def of(self, service):
        if service not in self.loaded:
            self.loaded[service] = self.session.get_service_model(MODELS[service])
        return self.loaded[service]

    def problems(self, request):
        """What is wrong with a request."""
        model, protocol = self.of(request["service"]), request["protocol"]
        if request["operation"] not in model.operation_names:
            return ["there is no such operation"]
        shape = model.operation_model(request["operation"]).input_shape
        interface = model.api_version if protocol == "Query" else model.metadata.get("targetPrefix")
        # Requests that tests have made without a wire say nothing of it.
        if request["interface"] not in (None, interface):
            return [f"{request['interface']} instead of {interface}"]
        try:
            parameters = self.parameters(model, protocol, shape, request)
        except Misfit as misfit:
            return [str(misfit)]
        if shape is None:
            return [f"unknown: {', '.join(sorted(parameters))}"] if parameters else []
        report = ParamValidator().validate(parameters, shape)
        return report.generate_report().splitlines() if report.has_errors() else list(beyond(shape, parameters))

    @staticmethod
    def parameters(model, protocol, shape, request):
        """What somebody would have given to boto3."""
        # A signature that stands in the query is no parameter.
        form = {key: text for key, text in request["form"].items() if not key.startswith("X-Amz-")}
        if protocol == "Query":
            return Forms(form, ec2=model.protocol == "ec2").parameters(shape)
        if protocol in ("Json", "Cbor"):
            body = request["json"] or {}
            return member(shape, body, protocol) if shape else body
        known = {each.serialization.get("name", name): (name, each) for name, each in shape.members.items()}
        known |= {name: (name, each) for name, each in shape.members.items()}
        read = {}
        for key, text in form.items():
            name, of = known.get(key, (key, None))
            read[name] = scalar(of, text, key) if of else text
        if model.protocol == "rest-xml" and isinstance(request["json"], dict):
            read |= document(shape, request["json"], "")
        return read


# ----------------------------------------------------------------------------------------------------------- self-test

AT = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
# What boto3 would be given; botocore's own serializers write the requests.
GOOD = [
    ("autoscaling", "CreateAutoScalingGroup", {
        "AutoScalingGroupName": "shop__7", "MinSize": 0, "MaxSize": 4, "NewInstancesProtectedFromScaleIn": False,
        "TargetGroupARNs": [], "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": ""}],
        "MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [{"InstanceType": "m7g.large", "WeightedCapacity": "1"}]}}}),
    ("autoscaling", "PutScheduledUpdateGroupAction", {"AutoScalingGroupName": "shop__7", "ScheduledActionName": "night", "StartTime": AT}),
    ("ec2", "CreateLaunchTemplateVersion", {
        "LaunchTemplateId": "lt-1", "LaunchTemplateData": {"ImageId": "ami-1", "EbsOptimized": True, "SecurityGroupIds": ["sg-1", "sg-2"]}}),
    ("ec2", "DescribeImages", {"ImageIds": ["ami-1"], "Filters": [{"Name": "state", "Values": ["available"]}]}),
    ("elasticloadbalancing", "ModifyRule", {"RuleArn": "rule", "Actions": [{"Type": "forward", "ForwardConfig": {
        "TargetGroups": [{"TargetGroupArn": "blue", "Weight": 100}, {"TargetGroupArn": "green", "Weight": 0}]}}]}),
    ("sns", "Publish", {"TopicArn": "topic", "Message": "m", "MessageAttributes": {
        "status": {"DataType": "String", "StringValue": "x"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}}),
    ("dynamodb", "PutItem", {"TableName": "t", "Item": {"pk": {"S": "a"}, "raw": {"B": b"\x00\xff"}, "n": {"M": {"x": {"N": "1"}}}}}),
    ("ecs", "UpdateService", {"service": "shop__7", "desiredCount": 0, "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}),
    ("application-autoscaling", "PutScheduledAction", {
        "ServiceNamespace": "ecs", "ScheduledActionName": "night", "ResourceId": "service/a/b",
        "ScalableDimension": "ecs:service:DesiredCount", "StartTime": AT}),
    ("sts", "GetCallerIdentity", {}),
]
# What somebody might send instead: the operation, what is changed of the good request of that name, and what is then said.
WRONG = [
    ("CreateAutoScalingGroup", {"operation": "CreateGroup"}, "no such operation"),
    ("CreateAutoScalingGroup", {"interface": "2015-12-01"}, "instead of 2011-01-01"),
    ("CreateAutoScalingGroup", {"MinSize": "two"}, "no integer"),
    ("CreateAutoScalingGroup", {"MinSize": None}, 'Missing required parameter in input: "MinSize"'),
    ("CreateAutoScalingGroup", {"Tags.member.2.Key": None}, 'Missing required parameter in Tags[1]: "Key"'),
    ("CreateAutoScalingGroup", {"Tags.member.4.Key": "x"}, "numbered"),
    ("CreateAutoScalingGroup", {"Tags.member.1.Name": "x"}, "unknown: Tags.member.1.Name"),
    ("CreateAutoScalingGroup", {"Tags.1.Key": "x"}, "unknown: Tags.1.Key"),
    ("CreateAutoScalingGroup", {"AutoScalingGroupName": "x" * 300}, "more than 255"),
    ("PutScheduledUpdateGroupAction", {"StartTime": "tomorrow"}, "no timestamp"),
    ("CreateLaunchTemplateVersion", {"LaunchTemplateData.SecurityGroupIds.1": "sg-1"}, "unknown"),
    ("CreateLaunchTemplateVersion", {"LaunchTemplateData.EbsOptimized": "yes"}, "no boolean"),
    ("DescribeImages", {"Filters.1.Name": "x"}, "unknown"),
    ("ModifyRule", {"Actions.member.1.Type": "forwards"}, "none of"),
    ("ModifyRule", {"Actions.member.1.Type": None}, 'Missing required parameter in Actions[0]: "Type"'),
    ("Publish", {"MessageAttributes.entry.1.Value.DataType": None}, '"DataType"'),
    ("PutItem", {"Items": {}}, 'Unknown parameter in input: "Items"'),
    ("PutItem", {"Item": {"pk": {"String": "a"}}}, 'Unknown parameter in Item.pk: "String"'),
    ("PutItem", {"Item": {"pk": {"B": "?"}}}, "not in base64"),
    ("PutItem", {"Item": {"pk": {"N": 1}}}, "Invalid type for parameter Item.pk.N"),
    ("UpdateService", {"desiredCount": "1"}, "Invalid type for parameter desiredCount"),
    ("UpdateService", {"desiredCount": None}, "Invalid type for parameter desiredCount"),
    ("UpdateService", {"desired": 1}, 'Unknown parameter in input: "desired"'),
    ("UpdateService", {"capacityProviderStrategy": [{"weight": 1}]}, "capacityProviderStrategy[0]"),
    ("UpdateService", {"capacityProviderStrategy": [{"capacityProvider": "a", "weight": -1}]}, "valid min value"),
    ("UpdateService", {"capacityProviderStrategy": [{"capacityProvider": "a", "weight": 1001}]}, "more than 1000"),
    ("UpdateService", {"availabilityZoneRebalancing": "ON"}, "none of"),
    ("PutScheduledAction", {"StartTime": "2026-01-05T09:00:00Z"}, "no number of seconds"),
    ("PutScheduledAction", {"ServiceNamespace": "ECS"}, "none of"),
    ("GetCallerIdentity", {"Version": "1"}, "unknown: Version"),
]


def written(models, service, operation, parameters):
    """A request as botocore's serializer writes it, and the simulation writes it down."""
    model = models.of(service)
    request = create_serializer(model.protocol, False).serialize_to_request(parameters, model.operation_model(operation))
    one = {"service": service, "operation": operation, "form": {}, "json": None, "error": None}
    if model.protocol == "json":
        interface, _, _ = request["headers"]["X-Amz-Target"].rpartition(".")
        return {**one, "protocol": "Json", "interface": interface, "json": json.loads(request["body"])}
    form = {key: str(value) for key, value in request["body"].items() if key != "Action"}
    return {**one, "protocol": "Query", "interface": form.pop("Version"), "form": form}


def self_test():
    models, good = Models(), {}
    for service, operation, parameters in GOOD:
        good[operation] = request = written(models, service, operation, parameters)
        model = models.of(service)
        read = models.parameters(model, request["protocol"], model.operation_model(operation).input_shape, request)
        if read != parameters:
            yield f"{operation} is read as {read}"
        yield from (f"{operation}, which is good: {problem}" for problem in models.problems(request))
    for operation, changes, said in WRONG:
        request = json.loads(json.dumps(good[operation]))
        part = request if changes.keys() <= request.keys() else request["json"] if request["protocol"] == "Json" else request["form"]
        part.update(changes)
        request["form"] = {key: value for key, value in request["form"].items() if value is not None}
        found = models.problems(request)
        if not any(said in problem for problem in found):
            yield f"{operation} with {changes}: nobody said {said!r}, but {found}"
    asked = [({"caller": "setup", "error": "ValidationError"}, False), ({"caller": None, "error": "ValidationError"}, True),
             ({"caller": None, "error": None}, False), ({"caller": None, "error": "ThrottlingException"}, False)]
    for request, wanted in asked:
        if on_purpose(request, "unknown: X", {"setup"}) != wanted:
            yield f"{request} is taken for {'a mistake' if wanted else 'one on purpose'}"


# ---------------------------------------------------------------------------------------------------------------- main


def on_purpose(request, problem, functions):
    """Whether a test wanted it so. A function never does, whatever it is answered."""
    if request["caller"] in functions:
        return False
    return bool(FUTURE.search(problem) or request["error"] and MISUNDERSTOOD.search(request["error"]))


def main():
    if sys.argv[1:] == ["--self-test"]:
        failed = list(self_test())
        print("\n".join(failed) or f"{len(GOOD)} requests of botocore's own are good, and {len(WRONG)} deliberate mistakes were noticed")
        return bool(failed)
    functions = {path.stem for path in (ROOT / "infra/functions").glob("*.yaml")}
    models, found, seen = Models(), {}, Counter()
    for path in sorted(Path(sys.argv[1]).glob("*.json")):
        request = json.loads(path.read_text())
        seen[request["service"]] += 1
        for problem in models.problems(request):
            if not on_purpose(request, problem, functions):
                found.setdefault(f"{request['service']} {request['operation']}: {problem}", (path, request))
    for problem, (path, request) in sorted(found.items()):
        print(f"{problem} (asked by {request['caller'] or 'a test'}, answered {request['error'] or 'well'}: {path})")
    if missing := MODELS.keys() - seen.keys():
        print(f"nobody has asked {', '.join(sorted(missing))}")
    by_service = ", ".join(f"{service} {count}" for service, count in sorted(seen.items()))
    print(f"{sum(seen.values())} requests of different shapes, {len(found)} problems: {by_service}")
    return bool(found or missing)


if __name__ == "__main__":
    sys.exit(main())
