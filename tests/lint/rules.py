"""Our own rules for template.yaml: what neither `sam validate` nor cfn-lint knows.

    rules.py              checks the template; every broken rule is one line
    rules.py --self-test  breaks a copy of the template on purpose, at least once per rule, and fails unless that very rule
                          notices

What is generated from infra/functions holds by construction and has no rule here, except for what is dangerous: a manifest can
still allow too much. Whether a role allows what its function calls, and no more, is proved by playing (tests/src/roles/mod.rs).
"""

import copy
import json
import re
import sys
from pathlib import Path

import cfnlint
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
MACHINES = ("deploy", "rollback")

# ------------------------------------------------------------------------------------------- what the roles are held to

# What AWS demands of whoever makes one of these calls, though the code never calls it.
DEMANDED = {
    # The topic is encrypted with a key of ours.
    "sns:Publish": {"kms:Decrypt", "kms:GenerateDataKey"},
    # Auto Scaling checks that the caller could use the launch template, and pass the roles that the group names. Its
    # guide also names CreateOrUpdateTags for whoever creates a group with tags.
    "autoscaling:CreateAutoScalingGroup": {
        "autoscaling:CreateOrUpdateTags", "ec2:CreateTags", "ec2:RunInstances", "iam:PassRole",
    },
    # So its guide.
    "autoscaling:CreateLaunchConfiguration": {
        "ec2:DescribeImages", "ec2:DescribeInstanceAttribute", "ec2:DescribeInstances", "ec2:DescribeKeyPairs",
        "ec2:DescribeSecurityGroups", "ec2:DescribeSpotInstanceRequests", "ec2:DescribeVpcClassicLink", "iam:PassRole",
    },
    # For an alarm that is made with tags, and for one that acts on instances or opens an OpsItem (CloudWatch API reference).
    "cloudwatch:PutMetricAlarm": {"cloudwatch:TagResource", "iam:CreateServiceLinkedRole"},
    # ECS wants both of whoever makes something with tags, and the roles that tasks run as handed on.
    "ecs:CreateService": {"ecs:TagResource"},
    "ecs:RegisterTaskDefinition": {"ecs:TagResource", "iam:PassRole"},
    # EC2 wants it of whoever creates something with tags.
    "ec2:CreateLaunchTemplate": {"ec2:CreateTags"},
    # What signs users in with Cognito is sent again whole.
    "elasticloadbalancing:ModifyListener": {"cognito-idp:DescribeUserPoolClient"},
    "elasticloadbalancing:ModifyRule": {"cognito-idp:DescribeUserPoolClient"},
}

# What the adapters can call, but no function does.
ONLY_OUTSIDE_LAMBDA = {
    "states:ListStateMachines",  # the command looks the installation up
    "states:StopExecution",  # `crossfade abort`
    "ec2:GetConsoleOutput",  # `crossfade console` and the dashboard
    "logs:GetLogEvents",
}
NOT_AN_IAM_ACTION = {
    "dynamodb:TransactWriteItems": {"dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
    "sts:GetCallerIdentity": set(),  # everybody may (STS API reference)
}

# How adapters call the services that have no SDK here.
SMALL_CLIENTS = {"ecs": "ecs|listed", "application-autoscaling": "scaling|scaling_pages|of_target"}

# Actions that must carry a condition, and the condition. Whatever else changes a group must ask for our tag.
TAG = "crossfade:infrastructure"
DEPLOYMENT_TAG = "crossfade:deployment"
OWNED = ("Null", f"autoscaling:ResourceTag/{TAG}", "false")
BORN_OURS = ("Null", f"aws:RequestTag/{TAG}", "false")
TAGGED_OURS = ("Null", f"aws:ResourceTag/{TAG}", "false")
OF_SERVICES = ("StringEquals", "application-autoscaling:service-namespace", "ecs")
TELLS_WHO_SERVES = ("ForAllValues:StringEquals", "aws:TagKeys", ["BG_VERSION"])
GUARDS = {
    # Of the lists of deployments that are not over, and, where the sweep sends them, of events that were not taken.
    "dynamodb:DeleteItem": [
        ("ForAllValues:StringEquals", "dynamodb:LeadingKeys", keys) for keys in (["open"], ["open", "untold"])
    ],
    "autoscaling:CreateAutoScalingGroup": [BORN_OURS],
    "autoscaling:CreateOrUpdateTags": [BORN_OURS],
    "application-autoscaling:DeregisterScalableTarget": [OF_SERVICES],
    "application-autoscaling:PutScalingPolicy": [OF_SERVICES],
    "application-autoscaling:PutScheduledAction": [OF_SERVICES],
    "application-autoscaling:RegisterScalableTarget": [OF_SERVICES],
    "cloudwatch:DeleteAlarms": [TAGGED_OURS],
    "cloudwatch:PutMetricAlarm": [BORN_OURS, TAGGED_OURS],
    "cloudwatch:TagResource": [BORN_OURS],
    "ecs:CreateService": [BORN_OURS],
    "ecs:DeleteService": [TAGGED_OURS],
    "ecs:RegisterTaskDefinition": [BORN_OURS],
    "ecs:TagResource": [BORN_OURS, TELLS_WHO_SERVES],
    "ecs:UntagResource": [TELLS_WHO_SERVES],
    "ecs:UpdateService": [TAGGED_OURS],
    "elasticloadbalancing:AddTags": [BORN_OURS],
    "elasticloadbalancing:ModifyListener": [TAGGED_OURS],
    "elasticloadbalancing:ModifyRule": [TAGGED_OURS],
    "elasticloadbalancing:RemoveTags": [("ForAllValues:StringEquals", "aws:TagKeys", [TAG])],
    "ec2:RunInstances": [("ArnLike", "ec2:LaunchTemplate", None)],
    "ec2:CreateLaunchTemplate": [("Null", f"aws:RequestTag/{DEPLOYMENT_TAG}", "false")],
    "ec2:DeleteLaunchTemplate": [("Null", f"aws:ResourceTag/{DEPLOYMENT_TAG}", "false")],
    "ec2:CreateTags": [
        ("StringEquals", "ec2:CreateAction", "RunInstances"),
        ("StringEquals", "ec2:CreateAction", "CreateLaunchTemplate"),
    ],
    "iam:CreateServiceLinkedRole": [("StringEquals", "iam:AWSServiceName", None)],
    "iam:PassRole": [
        ("StringEquals", "iam:PassedToService", "ec2.amazonaws.com"),
        ("StringEquals", "iam:PassedToService", "autoscaling.amazonaws.com"),
        ("StringEquals", "iam:PassedToService", ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]),
    ],
}

# Every way of ending dirty, or half done: namespace, metric, dimension, resource.
ALARMS = [
    ("AWS/States", "ExecutionsFailed", "StateMachineArn", "RollbackStateMachine"),
    ("AWS/States", "ExecutionsTimedOut", "StateMachineArn", "RollbackStateMachine"),
    ("AWS/States", "ExecutionsAborted", "StateMachineArn", "RollbackStateMachine"),
    ("AWS/States", "ExecutionsTimedOut", "StateMachineArn", "DeployStateMachine"),
    ("AWS/States", "ExecutionsAborted", "StateMachineArn", "DeployStateMachine"),
    ("AWS/Lambda", "Errors", "FunctionName", "StartRollbackFunction"),
    ("AWS/Lambda", "Errors", "FunctionName", "FinishFunction"),
    ("AWS/Lambda", "Errors", "FunctionName", "SweepFunction"),
    ("AWS/Lambda", "Throttles", "FunctionName", "SweepFunction"),
    ("AWS/Lambda", "Errors", "FunctionName", "StartFunction"),
]

# What makes the sweep look: the end of an execution that nobody caught, and a schedule for when that event is lost.
DIED = {
    "source": ["aws.states"],
    "detail-type": ["Step Functions Execution Status Change"],
    "detail": {
        "stateMachineArn": [{"Ref": "DeployStateMachine"}, {"Ref": "RollbackStateMachine"}],
        "status": ["ABORTED", "FAILED", "TIMED_OUT"],
    },
}
# And an alarm that goes off: a deployment that waits for somebody may watch it.
WENT_OFF = {
    "source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"],
    "detail": {"state": {"value": ["ALARM"]}},
}
SWEPT_BY = {
    "ExecutionDiedRule": ("EventPattern", DIED),
    "AlarmRule": ("EventPattern", WENT_OFF),
    "SweepScheduleRule": ("ScheduleExpression", "rate(1 minute)"),
}

# What starts deployments: the rule, the condition without which it does not exist, what it listens to.
TRIGGERED_BY = {
    "NewImageRule": ("HasTriggerOnImages", "EventPattern", {
        "source": ["aws.ec2"], "detail-type": ["EC2 AMI State Change"], "detail": {"State": ["available"]},
    }),
    "BuiltImageRule": ("HasTriggerOnImages", "EventPattern", {
        "source": ["aws.imagebuilder"], "detail-type": ["EC2 Image Builder Image State Change"],
        "detail": {"state": {"status": ["AVAILABLE"]}},
    }),
    "PushedImageRule": ("HasTriggerOnImages", "EventPattern", {
        "source": ["aws.ecr"], "detail-type": ["ECR Image Action"],
        "detail": {"action-type": ["PUSH"], "result": ["SUCCESS"]},
    }),
    "ParameterRule": ("HasTriggerOnParameters", "EventPattern", {
        "source": ["aws.ssm"], "detail-type": ["Parameter Store Change"],
        "detail": {"name": {"Ref": "TriggerOnParameters"}, "operation": ["Create", "Update"]},
    }),
    "ScheduleRule": ("HasTriggerOnSchedule", "ScheduleExpression", {"Ref": "TriggerOnSchedule"}),
}

# What the CLI and the guides look up.
OUTPUTS = {
    "DeployStateMachineArn": "DeployStateMachine",
    "RollbackStateMachineArn": "RollbackStateMachine",
    "TableName": "Table",
    "TopicArn": "Topic",
}


class Application:
    """The template, and what in the repository it has to agree with."""

    def __init__(self, root: Path):
        self.template = yaml_parse((root / "template.yaml").read_text())
        adapters = "\n".join(path.read_text() for path in sorted((root / "crates/aws/src").rglob("*.rs")))
        adapters = re.sub(r"#\[cfg\(test\)\]\s*mod tests \{.*?\n\}", "", adapters, flags=re.S)
        self.adapter_calls = set(re.findall(r'\b(?:refusal|called|unavailable|ec2)\(\s*"([a-z0-9-]+:[A-Z]\w+)"', adapters))
        # The small client names its service by the method, and the operation by its first argument.
        for service, methods in SMALL_CLIENTS.items():
            operations = re.findall(rf'\.(?:{methods})\(\s*"([A-Z]\w+)"', adapters)
            self.adapter_calls |= {f"{service}:{operation}" for operation in operations}
        core = (root / "crates/core/src/infrastructure.rs").read_text()
        self.tag = re.search(r'TAG_INFRASTRUCTURE: &str = "([^"]+)"', core)[1]
        self.deployment_tag = re.search(r'TAG_DEPLOYMENT: &str = "([^"]+)"', core)[1]

    @property
    def resources(self):
        return self.template["Resources"]

    def of_type(self, kind):
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == kind}

    def properties(self, name):
        return self.resources.get(name, {}).get("Properties", {})


def logical(function, suffix):
    """`wait-steady`, `Role` -> `WaitSteadyRole`."""
    return "".join(part.capitalize() for part in function.split("-")) + suffix


def branches(value):
    """A list's elements, with both sides of every Fn::If, and without AWS::NoValue."""
    found = []
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, dict) and set(element) == {"Fn::If"}:
            found += [one for side in element["Fn::If"][1:] for one in branches(side)]
        elif element != {"Ref": "AWS::NoValue"}:
            found.append(element)
    return found


def statements(policy):
    return branches(policy["Statement"])


def listed(value):
    return value if isinstance(value, list) else [value]


def role_statements(role):
    return [
        statement
        for policy in role.get("Properties", {}).get("Policies", [])
        for statement in statements(policy["PolicyDocument"])
    ]


def get_att(name, attribute):
    return {"Fn::GetAtt": [name, attribute]}


def reference():
    """AWS's own reference of actions and of the resource types that each can be narrowed to, as cfn-lint ships it."""
    path = Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json"
    return json.loads(path.read_text())


REFERENCE = reference()


def narrowable(action):
    """The resource types that an action can be narrowed to; None for an action that AWS does not know."""
    service, _, name = action.partition(":")
    known = {key.lower(): value for key, value in REFERENCE.get(service, {}).get("Actions", {}).items()}
    found = known.get(name.lower())
    return None if found is None else found.get("Resources", [])


# ------------------------------------------------------------------------------------------------------- the rules

RULES = {}


def rule(check):
    RULES[check.__name__] = check
    return check


@rule
def every_log_group_ends(app):
    for name, group in app.of_type("AWS::Logs::LogGroup").items():
        if group["Properties"].get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield f"{name} keeps its logs for ever: RetentionInDays is not LogRetentionDays"


@rule
def no_action_has_a_wildcard(app):
    for name, document in policy_documents(app):
        for statement in statements(document):
            for action in listed(statement.get("Action", "*")):
                if "*" in action or "?" in action:
                    yield f"{name}: the action {action} has a wildcard; name every action"


def policy_documents(app):
    for name, resource in app.resources.items():
        properties = resource.get("Properties", {})
        for policy in properties.get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []:
            yield name, policy["PolicyDocument"]
        for key in ("PolicyDocument", "KeyPolicy"):
            if key in properties:
                yield name, properties[key]


# What AWS can narrow for other things than ours: its data sets are not metrics, which have no ARNs.
NOTHING_NARROWER = {"cloudwatch:GetMetricData"}


@rule
def star_only_where_aws_has_nothing_narrower(app):
    for name, role in app.of_type("AWS::IAM::Role").items():
        for statement in role_statements(role):
            for action in listed(statement["Action"]):
                narrower = narrowable(action)
                if narrower is None:
                    yield f"{name}: AWS has no action {action}"
                elif narrower and action not in NOTHING_NARROWER and "*" in listed(statement["Resource"]):
                    yield f'{name}: {action} is allowed on "*", but can be narrowed to {", ".join(narrower[:4])}'


@rule
def every_call_is_allowed_to_somebody(app):
    allowed = set().union(*(actions(role) for role in app.of_type("AWS::IAM::Role").values()))
    calls = set().union(*(NOT_AN_IAM_ACTION.get(call, {call}) for call in app.adapter_calls))
    for call in sorted(calls - allowed - ONLY_OUTSIDE_LAMBDA):
        yield f"crates/aws calls {call}, which no role allows"


@rule
def roles_hold_what_aws_demands_beside_a_call(app):
    every = set().union(*DEMANDED.values())
    for name, role in app.of_type("AWS::IAM::Role").items():
        found = actions(role)
        wanted = {extra: call for call in sorted(found) for extra in DEMANDED.get(call, ())}
        for missing in sorted(wanted.keys() - found):
            yield f"{name} lacks {missing}, which AWS demands for {wanted[missing]}"
        for extra in sorted(found & every - wanted.keys() - app.adapter_calls):
            yield f"{name} allows {extra}, which AWS demands for none of its calls"


def actions(role):
    return {action for statement in role_statements(role) for action in listed(statement["Action"])}


@rule
def dangerous_actions_are_conditioned(app):
    for found, wanted in ((app.tag, TAG), (app.deployment_tag, DEPLOYMENT_TAG)):
        if found != wanted:
            yield f"the code's ownership tag is {found}, the roles' is {wanted}"
    for name, role in app.of_type("AWS::IAM::Role").items():
        for statement in role_statements(role):
            for action in listed(statement["Action"]):
                allowed = guards(action)
                if allowed and not any(has_condition(statement, *condition) for condition in allowed):
                    wanted = " or ".join(f"{operator} {key}" for operator, key, _ in allowed)
                    yield f"{name}: {action} lacks the condition {wanted}"


def guards(action):
    return GUARDS.get(action, [OWNED] if "autoScalingGroup" in (narrowable(action) or []) else [])


def has_condition(statement, operator, key, value):
    conditions = statement.get("Condition", {}).get(operator, {})
    return key in conditions and value in (None, conditions[key])


@rule
def roles_are_assumed_by_their_service_alone(app):
    functions = {name.removesuffix("Function") + "Role" for name in app.of_type("AWS::Serverless::Function")}
    machines = {logical(name, "StateMachineRole") for name in MACHINES}
    for name, role in app.of_type("AWS::IAM::Role").items():
        if name not in functions | machines:
            yield f"{name} belongs to no function and no state machine"
            continue
        service = "lambda.amazonaws.com" if name in functions else "states.amazonaws.com"
        trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if [s.get("Principal") for s in trust] != [{"Service": service}]:
            yield f"{name} can be assumed by others than {service}"


@rule
def machines_log_without_secrets(app):
    for machine in MACHINES:
        properties = app.properties(logical(machine, "StateMachine"))
        logging = properties.get("Logging", {})
        if logging.get("IncludeExecutionData") is not False:
            yield f"{machine}: inputs and outputs hold task tokens and must stay out of the logs (IncludeExecutionData)"
        destination = {"CloudWatchLogsLogGroup": {"LogGroupArn": get_att(logical(machine, "StateMachineLogGroup"), "Arn")}}
        if logging.get("Destinations") != [destination] or logging.get("Level") in (None, "OFF"):
            yield f"{machine} does not log to {logical(machine, 'StateMachineLogGroup')}"
        if properties.get("Tracing", {}).get("Enabled") is not True:
            yield f"{machine} is not traced"


@rule
def every_dirty_end_sets_off_an_alarm(app):
    alarms = [alarm["Properties"] for alarm in app.of_type("AWS::CloudWatch::Alarm").values()]
    for namespace, metric, dimension, resource in ALARMS:
        dimensions = [{"Name": dimension, "Value": {"Ref": resource}}]
        of_metric = [
            alarm for alarm in alarms
            if (alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"]) == (namespace, metric, dimensions)
        ]
        if not of_metric:
            yield f"no alarm watches {metric} of {resource}"
    for name, alarm in app.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        if properties.get("AlarmActions") != [{"Ref": "Topic"}]:
            yield f"{name} tells nobody: its AlarmActions are not the topic"
        if properties.get("TreatMissingData") != "notBreaching":
            yield f"{name} stays without data instead of OK while nothing runs: TreatMissingData"


@rule
def deployments_that_died_are_found(app):
    """Step Functions' event and the schedule each reach the sweep, and EventBridge may call it."""
    for name, (key, wanted) in SWEPT_BY.items():
        yield from reaches(app, name, key, wanted, "SweepFunction")
        if "Condition" in app.resources.get(name, {}):
            yield f"{name} depends on a condition; it has to be there always"
    for extra in sorted(app.of_type("AWS::Events::Rule").keys() - SWEPT_BY.keys() - TRIGGERED_BY.keys()):
        yield f"{extra} is in the template, but no such rule is known"
    if len(app.of_type("AWS::Lambda::Permission")) != len(SWEPT_BY) + len(TRIGGERED_BY):
        yield "there are more permissions to call functions than rules that do"


def reaches(app, name, key, wanted, function):
    """An enabled rule that listens to this calls that function, and may."""
    properties, target = app.properties(name), get_att(function, "Arn")
    if properties.get(key) != wanted:
        yield f"{name}: {key} is {properties.get(key)}, expected {wanted}"
    if properties.get("State") != "ENABLED":
        yield f"{name} is not enabled"
    if [one.get("Arn") for one in properties.get("Targets", [])] != [target]:
        yield f"{name} does not call {function}"
    permission = {
        "Action": "lambda:InvokeFunction", "FunctionName": target, "Principal": "events.amazonaws.com",
        "SourceArn": get_att(name, "Arn"),
    }
    found = [one for one in app.of_type("AWS::Lambda::Permission").values() if one["Properties"] == permission]
    if [one.get("Condition") for one in found] != [app.resources.get(name, {}).get("Condition")]:
        yield f"{name} may not call {function}: no AWS::Lambda::Permission on the same condition says so"


@rule
def triggers_are_off_until_somebody_asks(app):
    """A new installation starts nothing by itself, and no event is tried for ever."""
    for name, (condition, key, wanted) in TRIGGERED_BY.items():
        yield from reaches(app, name, key, wanted, "StartFunction")
        if app.resources.get(name, {}).get("Condition") != condition:
            yield f"{name} does not depend on {condition}"
        for target in app.properties(name).get("Targets", []):
            if not 0 < target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", 86400) <= 3600:
                yield f"{name}: an event that is older than an hour still starts a deployment"
    for name, default in (("TriggerOnImages", "no"), ("TriggerOnParameters", ""), ("TriggerOnSchedule", "")):
        if app.template["Parameters"].get(name, {}).get("Default") != default:
            yield f"the parameter {name} is not off by default"
    invoked_by_events = app.properties("StartFunction").get("EventInvokeConfig", {})
    if invoked_by_events != {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 2}:
        yield "StartFunction: an event is tried more than three times, or for longer than an hour"


@rule
def alarms_can_reach_the_topic(app):
    """CloudWatch has to get past both the topic's policy and the policy of the key that encrypts it."""
    if app.properties("Topic").get("KmsMasterKeyId") != get_att("TopicKey", "Arn"):
        yield "Topic is not encrypted with TopicKey"
    for name, key, wanted in (
        ("TopicKey", "KeyPolicy", {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("TopicPolicy", "PolicyDocument", {"sns:Publish"}),
    ):
        document = app.properties(name).get(key, {"Statement": []})
        allowed = {
            action for statement in statements(document)
            if statement["Effect"] == "Allow" and statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
            for action in listed(statement["Action"])
        }
        if not wanted <= allowed:
            yield f"{name} does not let cloudwatch.amazonaws.com {', '.join(sorted(wanted - allowed))}"


@rule
def the_table_outlives_mistakes(app):
    table = app.resources.get("Table", {})
    properties = table.get("Properties", {})
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        if table.get(key) != "Retain":
            yield f"Table: {key} is not Retain"
    for wanted, path in (
        ("PAY_PER_REQUEST", ("BillingMode",)),
        (True, ("DeletionProtectionEnabled",)),
        (True, ("SSESpecification", "SSEEnabled")),
        (True, ("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")),
    ):
        value = properties
        for key in path:
            value = value.get(key, {})
        if value != wanted:
            yield f"Table: {'.'.join(path)} is not {wanted}"
    keys = {key["KeyType"]: key["AttributeName"] for key in properties.get("KeySchema", [])}
    if keys != {"HASH": "pk", "RANGE": "sk"}:
        yield f"Table: the keys are {keys}, the code expects pk and sk"


@rule
def the_command_finds_the_table(app):
    if app.properties("Table").get("TableName") != {"Ref": "AWS::StackName"}:
        yield "Table is not named like the stack, by whose name the command opens it"


@rule
def outputs_can_be_found(app):
    for name, resource in OUTPUTS.items():
        if app.template["Outputs"].get(name, {}).get("Value") != {"Ref": resource}:
            yield f"the output {name} is not the reference of {resource}"


@rule
def parameters_are_described(app):
    for name, parameter in app.template["Parameters"].items():
        if not parameter.get("Description"):
            yield f"the parameter {name} has no description"


def problems(app):
    return [(name, problem) for name, check in RULES.items() for problem in check(app)]


# ------------------------------------------------------------------------------------------------------- self-test


def statement_of(app, role, sid):
    return next(s for s in role_statements(app.resources[role]) if s["Sid"] == sid)


def put(mapping, key, value):
    mapping[key] = value


# Each breaks one thing, and the rule of that name has to notice.
BREAK = {
    "every_log_group_ends": [
        lambda app: app.properties("UpscaleLogGroup").pop("RetentionInDays"),
        lambda app: app.properties("DeployStateMachineLogGroup").pop("RetentionInDays"),
    ],
    "no_action_has_a_wildcard": [
        lambda app: put(statement_of(app, "UpscaleRole", "Look"), "Action", "autoscaling:Describe*"),
        lambda app: put(app.properties("TopicKey")["KeyPolicy"]["Statement"][0], "Action", "kms:*"),
    ],
    "star_only_where_aws_has_nothing_narrower": [
        lambda app: put(statement_of(app, "UpscaleRole", "ResizeFleets"), "Resource", "*"),
        lambda app: put(statement_of(app, "SetupRole", "UseLaunchTemplates"), "Resource", ["*"]),
        lambda app: put(statement_of(app, "UpscaleRole", "Look"), "Action", "autoscaling:DescribeGroups"),
    ],
    "every_call_is_allowed_to_somebody": [
        lambda app: app.adapter_calls.add("autoscaling:PutLifecycleHook"),
        lambda app: statement_of(app, "RemoveRole", "DeleteFleets")["Action"].remove("autoscaling:DeleteAutoScalingGroup"),
    ],
    "roles_hold_what_aws_demands_beside_a_call": [
        lambda app: statement_of(app, "SetupRole", "CreateFleets")["Action"].remove("autoscaling:CreateOrUpdateTags"),
        lambda app: statement_of(app, "CarryRole", "MakeAlarms")["Action"].remove("cloudwatch:TagResource"),
        lambda app: statement_of(app, "UpscaleRole", "Records")["Action"].append("kms:Decrypt"),
    ],
    "dangerous_actions_are_conditioned": [
        lambda app: statement_of(app, "UpscaleRole", "ResizeFleets").pop("Condition"),
        lambda app: statement_of(app, "RemoveRole", "DeleteFleets").pop("Condition"),
        lambda app: put(statement_of(app, "DownsizeRole", "ResizeFleets")["Condition"], "Null", {
            f"autoscaling:ResourceTag/{TAG}": "true",
        }),
        lambda app: statement_of(app, "SetupRole", "CreateFleets").pop("Condition"),
        *(
            lambda app, role=role, sid=sid: statement_of(app, role, sid).pop("Condition")
            for role, sid in (
                ("SetupRole", "EquipFleets"), ("SetupRole", "MoveFleets"), ("HoldRole", "HoldFleets"),
                ("SwapRole", "MoveFleets"), ("CarryRole", "EquipFleets"), ("CarryRole", "MakeAlarms"),
                ("CarryRole", "AdaptAlarms"), ("CarryRole", "LetAlarmsAct"), ("RemoveRole", "DeleteAlarms"),
                ("SetupRole", "HandOnTheLifecycleHookRole"), ("SetupRole", "CreateServices"), ("SetupRole", "MoveServices"),
                ("SetupRole", "RegisterTaskDefinitions"), ("SetupRole", "HandOnTaskRoles"), ("UpscaleRole", "SetServices"),
                ("DownsizeRole", "SetScaling"), ("RemoveRole", "DeleteServices"), ("RemoveRole", "DeleteScaling"),
                ("CarryRole", "CarryScaling"), ("CarryRole", "TellWhoServes"),
                ("SetupRole", "TagWhatIsSteered"), ("FinishRole", "TakeTagsOff"),
                ("PlanRollbackRole", "TagWhatIsSteeredBack"), ("ShiftWeightRole", "SetWeights"),
                ("ShiftWeightRole", "SetDefaultWeights"),
            )
        ),
        lambda app: statement_of(app, "SetupRole", "HandOnTheInstanceRole").pop("Condition"),
        lambda app: statement_of(app, "SetupRole", "UseLaunchTemplates").pop("Condition"),
        lambda app: put(vars(app), "tag", "owner"),
        lambda app: put(vars(app), "deployment_tag", "owner"),
        lambda app: statement_of(app, "SetupRole", "CreateLaunchTemplates").pop("Condition"),
        lambda app: put(statement_of(app, "SetupRole", "TagLaunchTemplates")["Condition"], "StringEquals", {
            "ec2:CreateAction": "CreateVolume",
        }),
        lambda app: statement_of(app, "RemoveRole", "DeleteLaunchTemplates").pop("Condition"),
        lambda app: put(statement_of(app, "RemoveRole", "DeleteLaunchTemplates")["Condition"], "Null", {
            f"aws:ResourceTag/{DEPLOYMENT_TAG}": "true",
        }),
    ],
    "roles_are_assumed_by_their_service_alone": [
        lambda app: put(app.resources, "AdminRole", app.resources["SetupRole"]),
        lambda app: put(app.properties("SetupRole")["AssumeRolePolicyDocument"]["Statement"][0], "Principal", {"AWS": "*"}),
    ],
    "machines_log_without_secrets": [
        lambda app: put(app.properties("DeployStateMachine")["Logging"], "IncludeExecutionData", True),
        lambda app: put(app.properties("RollbackStateMachine")["Logging"], "Level", "OFF"),
        lambda app: app.properties("RollbackStateMachine").pop("Tracing"),
    ],
    "every_dirty_end_sets_off_an_alarm": [
        *(
            lambda app, name=name: app.resources.pop(name)
            for name in (
                "RollbackFailedAlarm", "RollbackTimedOutAlarm", "RollbackAbortedAlarm", "DeployTimedOutAlarm",
                "DeployAbortedAlarm", "StartRollbackFailedAlarm", "FinishFailedAlarm", "SweepFailedAlarm", "StartFailedAlarm",
            )
        ),
        lambda app: app.properties("RollbackFailedAlarm").pop("AlarmActions"),
        lambda app: app.properties("RollbackFailedAlarm").pop("TreatMissingData"),
    ],
    "deployments_that_died_are_found": [
        lambda app: app.resources.pop("ExecutionDiedRule"),
        lambda app: app.properties("ExecutionDiedRule")["EventPattern"]["detail"]["stateMachineArn"].pop(),
        lambda app: app.properties("ExecutionDiedRule")["EventPattern"]["detail"]["status"].pop(),
        lambda app: app.resources.pop("AlarmRule"),
        lambda app: app.properties("AlarmRule")["EventPattern"]["detail"].pop("state"),
        lambda app: put(app.properties("SweepScheduleRule"), "ScheduleExpression", "rate(1 day)"),
        lambda app: put(app.properties("SweepScheduleRule"), "State", "DISABLED"),
        lambda app: app.properties("SweepScheduleRule")["Targets"].clear(),
        lambda app: app.resources.pop("SweepSchedulePermission"),
        lambda app: put(app.properties("ExecutionDiedPermission"), "SourceArn", get_att("SweepScheduleRule", "Arn")),
        lambda app: put(app.resources, "JuggleRule", app.resources["SweepScheduleRule"]),
        lambda app: put(app.resources, "JugglePermission", app.resources["SweepSchedulePermission"]),
        lambda app: put(app.resources["SweepScheduleRule"], "Condition", "HasTriggerOnSchedule"),
    ],
    "triggers_are_off_until_somebody_asks": [
        lambda app: app.resources.pop("NewImageRule"),
        lambda app: app.resources["BuiltImageRule"].pop("Condition"),
        lambda app: put(app.resources["ParameterRule"], "Condition", "HasTriggerOnImages"),
        lambda app: app.properties("ParameterRule")["EventPattern"]["detail"].pop("name"),
        lambda app: put(app.properties("ScheduleRule"), "ScheduleExpression", "rate(5 minutes)"),
        lambda app: app.properties("NewImageRule")["Targets"][0].pop("RetryPolicy"),
        lambda app: app.resources["SchedulePermission"].pop("Condition"),
        lambda app: put(app.template["Parameters"]["TriggerOnImages"], "Default", "yes"),
        lambda app: app.properties("StartFunction").pop("EventInvokeConfig"),
    ],
    "alarms_can_reach_the_topic": [
        lambda app: put(app.properties("Topic"), "KmsMasterKeyId", "alias/aws/sns"),
        lambda app: app.properties("TopicKey")["KeyPolicy"]["Statement"].pop(),
        lambda app: app.properties("TopicPolicy")["PolicyDocument"]["Statement"].pop(0),
    ],
    "the_table_outlives_mistakes": [
        lambda app: app.resources["Table"].pop("DeletionPolicy"),
        lambda app: app.properties("Table").pop("PointInTimeRecoverySpecification"),
        lambda app: app.properties("Table").pop("SSESpecification"),
        lambda app: app.properties("Table").pop("DeletionProtectionEnabled"),
        lambda app: app.properties("Table")["KeySchema"].pop(),
    ],
    "the_command_finds_the_table": [
        lambda app: app.properties("Table").pop("TableName"),
        lambda app: put(app.properties("Table"), "TableName", "crossfade"),
    ],
    "outputs_can_be_found": [lambda app: app.template["Outputs"].pop("TableName")],
    "parameters_are_described": [lambda app: app.template["Parameters"]["Architecture"].pop("Description")],
}


def self_test(app):
    failed = [f"{name} has no self-test" for name in RULES if not BREAK.get(name)]
    failed += [f"{name} is tested, but is no rule" for name in BREAK if name not in RULES]
    for name, mutations in BREAK.items():
        for i, mutate in enumerate(mutations, 1):
            broken = copy.deepcopy(app)
            mutate(broken)
            if not list(RULES[name](broken)):
                failed.append(f"{name} did not notice the {i}. thing that was broken for it")
    return failed, sum(map(len, BREAK.values()))


def main():
    app = Application(ROOT)
    if "--self-test" in sys.argv:
        failed, broken = self_test(app)
        print("\n".join(failed) or f"{len(RULES)} rules noticed all of {broken} deliberate mistakes")
        return bool(failed)
    found = problems(app)
    print("\n".join(f"template.yaml: {problem} [{name}]" for name, problem in found) or f"{len(RULES)} rules hold")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
