"""Which permissions a call needs, as AWS's service authorization reference has it, and whether a role gives them.

The judgement itself (wildcards, conditions, deny before allow) is ministack's evaluator, which nobody here wrote. What is
written here is only the question: action, resource, and what AWS knows of both.
"""

import json
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

import cbor2
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

ACCOUNT, REGION = "123456789012", "eu-west-1"
IAM_NAMES = {"monitoring": "cloudwatch"}
# What ministack judges without all that a role may ask for: of a change of records it knows neither names nor types.
JUDGED_HERE = {"ChangeResourceRecordSets"}
# What a group's creator must be able to run from its launch template, as EC2 checks it.
RUN_INSTANCES = ("instance/*", "network-interface/*", "volume/*")


@dataclass
class Check:
    """One permission."""

    action: str
    resource: str
    context: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.action} on {self.resource} with {self.context}"


@dataclass
class Request:
    """A call, as far as permissions depend on it."""

    service: str
    operation: str
    # Query: the form; JSON and CBOR: the body.
    said: dict
    protocol: str

    @staticmethod
    def read(service, path, headers, body):
        if "/operation/" in path:
            return Request(service, path.rsplit("/", 1)[1], cbor2.loads(body) if body else {}, "cbor")
        if target := headers.get("x-amz-target"):
            return Request(service, target.rsplit(".", 1)[1], json.loads(body or b"{}"), "json")
        if service == "route53":
            posted = body and "rrset" in path
            return Request(service, "ChangeResourceRecordSets" if posted else path, _batch(path, body) if posted else {}, "rest")
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        return Request(service, form.get("Action", path), form, "query")

    @property
    def action(self):
        return f"{IAM_NAMES.get(self.service, self.service)}:{self.operation}"

    @property
    def about(self):
        """What it does, of a change of records with the name whose they are."""
        changes = self.said.get("changes") if self.operation == "ChangeResourceRecordSets" else None
        return f"{self.operation} {changes[0]['Name'].rstrip('.')}" if changes else self.operation

    def listed(self, name):
        """The members of a list in a form."""
        pattern = re.compile(rf"{name}\.(?:member\.)?\d+$")
        return [value for key, value in self.said.items() if pattern.match(key)]

    def tags(self):
        """The tags that a request gives to something new."""
        if self.protocol != "query":
            tags = self.said.get("Tags") or self.said.get("tags") or []
            return {tag.get("Key") or tag["key"]: tag["Value"] if "Value" in tag else tag.get("value", "") for tag in tags}
        keys = {key: value for key, value in self.said.items() if re.search(r"\bTags?\.(?:member\.)?\d+\.Key$", key)}
        return {value: self.said.get(key[:-3] + "Value", "") for key, value in keys.items()}

    def refusal(self, message):
        """What AWS answers without the permission, in the request's protocol."""
        if self.protocol == "cbor":
            return 400, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, cbor2.dumps(
                {"__type": "com.amazonaws.cloudwatch#AccessDenied", "message": message})
        if self.protocol == "json":
            return 400, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(
                {"__type": "AccessDeniedException", "message": message}).encode()
        if self.service == "ec2":
            return 403, {"Content-Type": "text/xml"}, (
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code>"
                f"<Message>{message}</Message></Error></Errors><RequestID>gate</RequestID></Response>").encode()
        return 403, {"Content-Type": "text/xml"}, (
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
            f"<Message>{message}</Message></Error><RequestId>gate</RequestId></ErrorResponse>").encode()


def _batch(path, body):
    """A change of records: the zone, and what is done to which.

    >>> change = "<Action>CREATE</Action><ResourceRecordSet><Name>A.shop.test.</Name><Type>A</Type></ResourceRecordSet>"
    >>> _batch("/2013-04-01/hostedzone/Z1/rrset/", f'<Changes xmlns="aws"><Change>{change}</Change></Changes>'.encode())
    {'zone': 'Z1', 'changes': [{'Action': 'CREATE', 'Name': 'A.shop.test.', 'Type': 'A'}]}
    """
    changes = [{key: change.findtext(f".//{{*}}{key}") for key in ("Action", "Name", "Type")}
               for change in ElementTree.fromstring(body).iter() if change.tag.endswith("}Change")]
    return {"zone": path.split("/hostedzone/")[1].split("/")[0], "changes": changes}


class Policies:
    """The policies of one role.

    >>> ours = {"Null": {"autoscaling:ResourceTag/crossfade:infrastructure": "false"}}
    >>> allowed = {"Effect": "Allow", "Action": "autoscaling:DeleteAutoScalingGroup", "Resource": "*", "Condition": ours}
    >>> role = Policies("arn:aws:iam::123456789012:role/remove", [{"Statement": [allowed]}])
    >>> tagged = {"autoscaling:ResourceTag/crossfade:infrastructure": "shop/production/shop-base"}
    >>> [role.allow(Check("autoscaling:DeleteAutoScalingGroup", "arn", context)) for context in (tagged, {})]
    [True, False]
    """

    def __init__(self, arn, documents):
        self.arn = arn
        self.statements = [parse_policy_document(document) for document in documents]

    def allow(self, check):
        context = EvalContext(
            principal_arn=self.arn, principal_type="AssumedRole", principal_account=ACCOUNT, action=check.action,
            resource_arn=check.resource, region=REGION,
            service_context={key.lower(): value for key, value in check.context.items()},
        )
        return evaluate(context, self.statements).decision == "Allow"


def checks(request, plane):
    """The permissions that a call needs. `plane` has the clients to look up what the call names."""
    reads = request.operation.startswith("Describe")
    if request.service == "states":
        return [Check(request.action, _execution_or_machine(request))]
    if request.service == "monitoring":
        return _alarms(request, plane)
    if request.service == "ssm":
        path = request.said.get("Path") or request.said["Name"]
        return [Check(request.action, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{path}")]
    if request.service == "ecs":
        return _services(request, plane)
    if request.service == "servicediscovery":
        return _registries(request)
    if request.service == "route53":
        return [change_of_records(request.said["zone"], request.said["changes"])]
    if reads:
        return [Check(request.action, "*")]
    by_service = {"autoscaling": _groups, "elasticloadbalancing": _routes, "ec2": _templates,
                  "application-autoscaling": _scalable_targets}
    return by_service[request.service](request, plane)


def change_of_records(zone, changes):
    """The permission to do this to records of a zone. Names are compared in lower case and without their final dot."""
    return Check("route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{zone}", {
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": [each["Name"].lower().rstrip(".") for each in changes],
        "route53:ChangeResourceRecordSetsRecordTypes": [each["Type"] for each in changes],
        "route53:ChangeResourceRecordSetsActions": [each["Action"] for each in changes],
    })


def _execution_or_machine(request):
    # What a token belongs to, IAM does not ask.
    return request.said.get("executionArn") or request.said.get("stateMachineArn") or "*"


def _requested(tags):
    return {**{f"aws:RequestTag/{key}": value for key, value in tags.items()}, "aws:TagKeys": list(tags)}


def _groups(request, plane):
    if "Configuration" in request.operation and "LaunchConfigurationName" in request.said:
        name = request.said["LaunchConfigurationName"]
        arn = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:launchConfiguration:id:launchConfigurationName/{name}"
        return [Check(request.action, arn)]
    name = request.said["AutoScalingGroupName"]
    arn = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:id:autoScalingGroupName/{name}"
    found = plane("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    tags = {tag["Key"]: tag["Value"] for group in found for tag in group["Tags"]}
    context = {f"{prefix}:ResourceTag/{key}": value for prefix in ("autoscaling", "aws") for key, value in tags.items()}
    needed = [Check(request.action, arn, context)]
    if request.operation == "CreateAutoScalingGroup":
        born = _requested(request.tags())
        needed = [Check(request.action, arn, born), Check("autoscaling:CreateOrUpdateTags", arn, born)]
        needed += _launches(request, plane)
    if role := request.said.get("ServiceLinkedRoleARN"):
        needed.append(Check("iam:PassRole", role, {"iam:PassedToService": "autoscaling.amazonaws.com"}))
    return needed


def _launches(request, plane):
    """What a launch template needs of whoever names it in a group."""
    template = next((value for key, value in request.said.items() if key.endswith("LaunchTemplateId")), None)
    version = next((value for key, value in request.said.items() if key.endswith(".Version")), "$Default")
    if not template:
        return []
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:launch-template/{template}"
    needed = [Check("ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:{each}", {"ec2:LaunchTemplate": arn})
              for each in RUN_INSTANCES]
    found = plane("ec2").describe_launch_template_versions(LaunchTemplateId=template, Versions=[version])
    data = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    for specification in data.get("TagSpecifications", []):
        needed.append(Check("ec2:CreateTags", f"arn:aws:ec2:{REGION}:{ACCOUNT}:{specification['ResourceType']}/*",
                            {"ec2:CreateAction": "RunInstances"}))
    for role in plane.roles(data.get("IamInstanceProfile")):
        needed.append(Check("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"}))
    return needed


def _routes(request, plane):
    named = [request.said[key] for key in ("RuleArn", "ListenerArn") if key in request.said] or request.listed("ResourceArns")
    given = _requested({**request.tags(), **dict.fromkeys(request.listed("TagKeys"), "")})
    needed = []
    for arn in named:
        found = plane("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
        borne = {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for each in found for tag in each["Tags"]}
        needed.append(Check(request.action, arn, {**given, **borne}))
    return needed


def _templates(request, plane):
    named = request.said.get("LaunchTemplateId", "*")
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:launch-template/{named}"
    if request.operation == "CreateLaunchTemplate":
        tags = _requested(request.tags())
        return [Check(request.action, arn, tags),
                Check("ec2:CreateTags", arn, {**tags, "ec2:CreateAction": "CreateLaunchTemplate"})]
    found = plane("ec2").describe_launch_templates(LaunchTemplateIds=[named])["LaunchTemplates"]
    tags = {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for each in found for tag in each.get("Tags", [])}
    return [Check(request.action, arn, tags)]


def _services(request, plane):
    said, ecs = request.said, f"arn:aws:ecs:{REGION}:{ACCOUNT}"
    cluster = said.get("cluster")
    match request.operation:
        case "DescribeServices":
            return [Check(request.action, f"{ecs}:service/{cluster}/{name}") for name in said["services"]]
        case "DescribeTasks" | "GetTaskProtection" | "UpdateTaskProtection":
            return [Check(request.action, arn) for arn in said["tasks"]]
        case "ListTasks":
            return [Check(request.action, f"{ecs}:container-instance/{cluster}/*")]
        case "RegisterTaskDefinition":
            arn, born = f"{ecs}:task-definition/{said['family']}:*", _requested(request.tags())
            roles = [said[key] for key in ("taskRoleArn", "executionRoleArn") if key in said]
            passed = [Check("iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}) for role in roles]
            return [Check(request.action, arn, born), Check("ecs:TagResource", arn, born), *passed]
        case "CreateService":
            arn, born = f"{ecs}:service/{cluster}/{said['serviceName']}", _requested(request.tags())
            return [Check(request.action, arn, born), Check("ecs:TagResource", arn, born)]
        case "UpdateService" | "DeleteService":
            borne = _borne_by_service(plane, cluster, said["service"])
            return [Check(request.action, f"{ecs}:service/{cluster}/{said['service']}", borne)]
        case "TagResource" | "UntagResource" if ":service/" in said["resourceArn"]:
            cluster, name = said["resourceArn"].split("/")[-2:]
            given = _requested({**request.tags(), **dict.fromkeys(said.get("tagKeys", []), "")})
            return [Check(request.action, said["resourceArn"], {**given, **_borne_by_service(plane, cluster, name)})]
    return [Check(request.action, "*")]


def _borne_by_service(plane, cluster, name):
    found = plane("ecs").describe_services(cluster=cluster, services=[name], include=["TAGS"])["services"]
    tags = {tag["key"]: tag["value"] for service in found for tag in service.get("tags", [])}
    return {f"{prefix}:ResourceTag/{key}": value for prefix in ("ecs", "aws") for key, value in tags.items()}


def _registries(request):
    kind = "namespace" if request.operation == "GetNamespace" else "service"
    named = request.said.get("ServiceId") or request.said["Id"]
    return [Check(request.action, f"arn:aws:servicediscovery:{REGION}:{ACCOUNT}:{kind}/{named}")]


def _scalable_targets(request, _):
    arn = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/*"
    keys = {"service-namespace": "ServiceNamespace", "scalable-dimension": "ScalableDimension"}
    return [Check(request.action, arn, {f"application-autoscaling:{key}": request.said[name] for key, name in keys.items()})]


def _alarms(request, plane):
    alarm = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:"
    if request.operation == "DescribeAlarms":
        return [Check(request.action, f"{alarm}*")]
    if request.operation == "ListTagsForResource":
        return [Check(request.action, request.said["ResourceARN"])]
    names = request.said.get("AlarmNames") or [request.said["AlarmName"]]
    needed = []
    for name in names:
        born = _requested(request.tags())
        tags = plane("cloudwatch").list_tags_for_resource(ResourceARN=alarm + name)["Tags"] if plane.has_alarm(name) else []
        context = {**born, **{f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in tags}}
        needed.append(Check(request.action, alarm + name, context))
        if request.operation == "PutMetricAlarm" and request.tags():
            needed.append(Check("cloudwatch:TagResource", alarm + name, context))
    return needed

