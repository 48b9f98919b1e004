"""The Terraform module in infra/terraform: what it has in common with template.yaml is generated from it.

    terraform.py             checks that the generated files are those of the template, and that the module holds together;
                             every problem is one line
    terraform.py --write     generates them
    terraform.py --self-test breaks a copy of the module on purpose, and fails unless that is noticed

Policies, functions, alarms and rules are generated; the resources that are made of them are written by hand. Terraform itself is
not needed for any of this, and does not run here: python-hcl2 reads the module.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import hcl2
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
MODULE = Path("infra/terraform")
MACHINES = ("deploy", "rollback")

PSEUDO = {"AWS::Partition": "partition", "AWS::Region": "region", "AWS::AccountId": "account", "AWS::StackName": "name"}

# When a statement or a rule is there at all.
CONDITIONS = {
    "HasInstanceRole": 'instance_role_arn != "none"',
    "HasLifecycleHookRole": 'lifecycle_hook_role_arn != "none"',
    "HasOtherTopics": "length(other_topic_arns) > 0",
    "HasReadableStacks": "length(readable_stack_arns) > 0",
    "HasReadableParameters": "length(readable_parameter_arns) > 0",
    "HasReadableObjects": "length(readable_object_arns) > 0",
    "HasTriggerOnImages": "trigger_on_images",
    "HasTriggerOnParameters": "length(trigger_on_parameters) > 0",
    "HasTriggerOnSchedule": 'trigger_on_schedule != ""',
}

# Parameters of the template that the module has no use for, or under another name.
NOT_VARIABLES = {"Architecture", "TriggerOnImages"}


def snake(name):
    """`ReadableStackArns` -> `readable_stack_arns`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def kebab(name):
    return snake(name).replace("_", "-")


class Expression(str):
    """A Terraform expression that stands for a whole value, and is written without quotes."""


class Template:
    def __init__(self, root):
        self.template = yaml_parse((root / "template.yaml").read_text())
        self.resources = self.template["Resources"]

    def of_type(self, kind):
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == kind}

    def functions(self):
        """Function names by logical id."""
        found = self.of_type("AWS::Serverless::Function")
        return {name: kebab(name.removesuffix("Function")) for name in found}

    # ------------------------------------------------------------------------- from CloudFormation's words to Terraform's

    def arn(self, name):
        """The ARN of something that the module names itself."""
        kind = self.resources[name]["Type"]
        here = "${partition}:%s:${region}:${account}"
        if kind == "AWS::Serverless::Function":
            return f"arn:{here % 'lambda'}:function:${{name}}-{self.functions()[name]}"
        if kind == "AWS::Serverless::StateMachine":
            return f"arn:{here % 'states'}:stateMachine:${{name}}-{kebab(name.removesuffix('StateMachine'))}"
        if kind == "AWS::DynamoDB::Table":
            return f"arn:{here % 'dynamodb'}:table/${{name}}"
        if kind == "AWS::SNS::Topic":
            return f"arn:{here % 'sns'}:${{name}}"
        if kind == "AWS::KMS::Key":
            return "${key_arn}"
        if kind == "AWS::Logs::LogGroup":
            group = self.text(self.resources[name]["Properties"]["LogGroupName"])
            return f"arn:{here % 'logs'}:log-group:{group}:*"
        raise ValueError(f"no ARN is known for {name}, {kind}")

    def text(self, value):
        """A text with CloudFormation's references, as Terraform's template."""
        if isinstance(value, str):
            return value
        if set(value) == {"Fn::Sub"}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: self.reference(found[1]), value["Fn::Sub"])
        if set(value) == {"Fn::GetAtt"} and value["Fn::GetAtt"][1] == "Arn":
            return self.arn(value["Fn::GetAtt"][0])
        if set(value) == {"Ref"}:
            return self.reference(value["Ref"])
        raise ValueError(f"not known: {value}")

    def reference(self, name):
        if name in PSEUDO:
            return f"${{{PSEUDO[name]}}}"
        if name in self.template["Parameters"]:
            if self.template["Parameters"][name]["Type"] == "CommaDelimitedList":
                return Expression(f"${{jsonencode({snake(name)})}}")
            return f"${{{snake(name)}}}"
        return self.arn(name)

    def value(self, value):
        """The same for any value."""
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("Fn::Sub", "Fn::GetAtt", "Ref"):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one) for one in value]
        return value

    # ------------------------------------------------------------------------------------------------ what is generated

    def policy(self, document):
        """A policy as a Terraform template. What depends on a condition comes first, so that a comma may follow it."""
        always, sometimes = [], []
        for statement in document["Statement"]:
            if set(statement) == {"Fn::If"}:
                condition, then, otherwise = statement["Fn::If"]
                if otherwise != {"Ref": "AWS::NoValue"}:
                    raise ValueError(f"{condition} chooses between two statements")
                sometimes.append((CONDITIONS[condition], then))
            else:
                always.append(statement)
        lines = ["{", '  "Version": "2012-10-17",', '  "Statement": [']
        for condition, statement in sometimes:
            lines += [f"%{{ if {condition} ~}}", indented(written(self.value(statement))) + ",", "%{ endif ~}"]
        lines.append(",\n".join(indented(written(self.value(statement))) for statement in always))
        return "\n".join([*lines, "  ]", "}", ""])

    def policies(self):
        for name, role in self.of_type("AWS::IAM::Role").items():
            (policy,) = role["Properties"]["Policies"]
            kind = "machine-" if name.endswith("StateMachineRole") else ""
            yield f"policies/{kind}{policy['PolicyName']}.json.tftpl", self.policy(policy["PolicyDocument"])
        yield "policies/topic.json.tftpl", self.policy(self.resources["TopicPolicy"]["Properties"]["PolicyDocument"])
        yield "policies/topic-key.json.tftpl", self.policy(self.resources["TopicKey"]["Properties"]["KeyPolicy"])

    def function_settings(self):
        shared = self.template["Globals"]["Function"]
        settings = {}
        for logical, name in self.functions().items():
            own = {**shared, **self.resources[logical]["Properties"]}
            invoked = own.get("EventInvokeConfig", {})
            settings[name] = {
                "timeout": own["Timeout"],
                "memory": own["MemorySize"],
                "environment": sorted(own["Environment"]["Variables"]),
                "event_age": invoked.get("MaximumEventAgeInSeconds"),
                "event_retries": invoked.get("MaximumRetryAttempts"),
            }
        return settings

    def alarms(self):
        found = {}
        for name, alarm in self.of_type("AWS::CloudWatch::Alarm").items():
            properties = alarm["Properties"]
            (dimension,) = properties["Dimensions"]
            known = {
                "AlarmName", "AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "AlarmActions",
                "EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData",
            }
            if set(properties) != known:
                raise ValueError(f"{name} has {set(properties) ^ known}, which nothing here carries over")
            of = dimension["Value"]["Ref"]
            function = self.functions().get(of)
            found[kebab(name.removesuffix("Alarm"))] = {
                "description": properties["AlarmDescription"],
                "namespace": properties["Namespace"],
                "metric": properties["MetricName"],
                "dimension": dimension["Name"],
                "of": f"${{name}}-{function}" if function else self.arn(of),
                "statistic": properties["Statistic"],
                "period": properties["Period"],
                "periods": properties["EvaluationPeriods"],
                "threshold": properties["Threshold"],
                "comparison": properties["ComparisonOperator"],
                "missing": properties["TreatMissingData"],
            }
        return found

    def rules(self):
        found = {}
        for name, rule in self.of_type("AWS::Events::Rule").items():
            properties = rule["Properties"]
            (target,) = properties["Targets"]
            condition = rule.get("Condition")
            found[kebab(name.removesuffix("Rule"))] = {
                "description": self.text(properties["Description"]),
                "pattern": self.value(properties.get("EventPattern")),
                "schedule": self.value(properties.get("ScheduleExpression")),
                "function": self.functions()[target["Arn"]["Fn::GetAtt"][0]],
                "enabled": Expression(f"${{{CONDITIONS[condition]}}}") if condition else True,
                "event_age": target["RetryPolicy"]["MaximumEventAgeInSeconds"],
                "event_retries": target["RetryPolicy"]["MaximumRetryAttempts"],
            }
        return found

    def generated(self):
        """Every generated file."""
        return {
            "functions.json": json.dumps(self.function_settings(), indent=2) + "\n",
            "alarms.json.tftpl": written(self.alarms()) + "\n",
            "rules.json.tftpl": written(self.rules()) + "\n",
            **dict(self.policies()),
        }


def written(value):
    """JSON in which expressions have no quotes."""
    text = json.dumps(value, indent=2, default=str)
    for expression in sorted(expressions(value), key=len, reverse=True):
        text = text.replace(json.dumps(expression), expression)
    return text


def expressions(value):
    if isinstance(value, Expression):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)


def indented(text):
    return "\n".join("    " + line for line in text.splitlines())


# ---------------------------------------------------------------------------------------------------------- the checks

# What the module makes of each kind of resource in the template, so that a new kind is not forgotten.
MADE = {
    "AWS::CloudWatch::Alarm": "aws_cloudwatch_metric_alarm",
    "AWS::DynamoDB::Table": "aws_dynamodb_table",
    "AWS::Events::Rule": "aws_cloudwatch_event_rule",
    "AWS::IAM::Role": "aws_iam_role",
    "AWS::KMS::Key": "aws_kms_key",
    "AWS::Lambda::Permission": "aws_lambda_permission",
    "AWS::Logs::LogGroup": "aws_cloudwatch_log_group",
    "AWS::SNS::Subscription": "aws_sns_topic_subscription",
    "AWS::SNS::Topic": "aws_sns_topic",
    "AWS::SNS::TopicPolicy": "aws_sns_topic_policy",
    "AWS::Serverless::Function": "aws_lambda_function",
    "AWS::Serverless::StateMachine": "aws_sfn_state_machine",
}


def problems(root):
    module = root / MODULE
    template = Template(root)
    generated = template.generated()
    for name, text in generated.items():
        path = module / name
        if not path.is_file() or path.read_text() != text:
            yield f"{name} is not what template.yaml says; run .venv/bin/python tests/lint/terraform.py --write"
    for path in sorted(module.glob("policies/*")):
        if str(path.relative_to(module)) not in generated:
            yield f"{path.name} belongs to no role"
    source = {}
    for path in sorted(module.glob("*.tf")):
        source[path.name] = path.read_text()
        try:
            with path.open() as file:
                hcl2.load(file)
        except Exception as error:  # python-hcl2 hands on whatever its parser raises
            yield f"{path.name} is no HCL: {str(error).splitlines()[0]}"
    yield from references(template, "\n".join(source.values()), module)


def references(template, text, module):
    """Everything that is referred to exists, and everything that is declared is used."""
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    declared = {
        "var": set(re.findall(r'^variable "(\w+)"', text, re.M)),
        "local": {name for block in re.findall(r"^locals \{\n(.*?)^\}", text, re.S | re.M) for name in re.findall(r"^  (\w+) +=", block, re.M)},
    }
    for kind, names in declared.items():
        used = set(re.findall(rf"\b{kind}\.(\w+)", text))
        for name in sorted(used - names):
            yield f"{kind}.{name} is used, but not declared"
        for name in sorted(names - used):
            yield f"{kind}.{name} is declared, but not used"
    resources = set(re.findall(r'^resource "(\w+)" "(\w+)"', text, re.M))
    data = set(re.findall(r'^data "(\w+)" "(\w+)"', text, re.M))
    for name in sorted(set(re.findall(r"\bdata\.(aws_\w+)\.(\w+)", text)) - data):
        yield f"data.{'.'.join(name)} is used, but not declared"
    for name in sorted(set(re.findall(r"(?<!data\.)\b(aws_\w+)\.(\w+)", text)) - resources):
        yield f"{'.'.join(name)} is used, but not declared"
    for kind in sorted({resource["Type"] for resource in template.resources.values()}):
        if MADE.get(kind) not in {made for made, _ in resources}:
            yield f"the template has {kind}, and the module nothing for it"
    for name in template.template["Parameters"]:
        if name not in NOT_VARIABLES and snake(name) not in declared["var"]:
            yield f"the template's parameter {name} is no variable of the module"
    for block in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.S | re.M):
        if "description" not in block[1] or "type" not in block[1]:
            yield f"the variable {block[0]} has no description or no type"
    # What the templates want of whoever renders them.
    given = set(re.findall(r"^    (\w+) +=", re.search(r"^  names += \{\n(.*?)^  \}", text, re.S | re.M)[1], re.M)) | {"key_arn"}
    for path in sorted(module.rglob("*.tftpl")):
        wanted = re.findall(r"\$\{(?:jsonencode\()?(\w+)", path.read_text()) + re.findall(r"%\{ if (?:length\()?(\w+)", path.read_text())
        for name in sorted(set(wanted) - given - {"length"}):
            yield f"{path.name} wants {name}, which local.names does not give"
    for environment in template.function_settings().values():
        for name in environment["environment"]:
            if not re.search(rf"^    {name} +=", text, re.M):
                yield f"the module does not know the variable {name} of a function's environment"


def replaced(path, old, new):
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path.name} has no {old}")
    path.write_text(text.replace(old, new, 1))


# Each breaks one thing in a copy.
BREAK = [
    lambda root: (root / MODULE / "policies/prepare.json.tftpl").unlink(),
    lambda root: replaced(root / MODULE / "policies/remove.json.tftpl", "autoscaling:ResourceTag", "autoscaling:RequestTag"),
    lambda root: replaced(root / MODULE / "alarms.json.tftpl", "notBreaching", "missing"),
    lambda root: (root / MODULE / "policies/juggle.json.tftpl").write_text("{}"),
    lambda root: replaced(root / "template.yaml", "Threshold: 3", "Threshold: 4"),
    lambda root: replaced(root / "template.yaml", "MaximumRetryAttempts: 20", "MaximumRetryAttempts: 2"),
    lambda root: replaced(root / MODULE / "functions.tf", "var.name", "var.stack"),
    lambda root: replaced(root / MODULE / "functions.tf", "local.functions", "local.function"),
    lambda root: replaced(root / MODULE / "functions.tf", "aws_iam_role.function", "aws_iam_role.functions"),
    lambda root: replaced(root / MODULE / "topic.tf", "}", ""),
    lambda root: (root / MODULE / "alarms.tf").unlink(),
    lambda root: replaced(root / MODULE / "variables.tf", 'variable "log_level"', 'variable "level"'),
    lambda root: replaced(root / MODULE / "variables.tf", "description", "comment"),
    lambda root: replaced(root / MODULE / "names.tf", "readable_stack_arns", "readable_stacks"),
    lambda root: replaced(root / MODULE / "functions.tf", "TOPIC_ARN", "TOPIC"),
]


def self_test():
    failed = []
    for i, mutate in enumerate(BREAK, 1):
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory)
            shutil.copy(ROOT / "template.yaml", copy)
            shutil.copytree(ROOT / MODULE, copy / MODULE)
            mutate(copy)
            if not list(problems(copy)):
                failed.append(f"nobody noticed the {i}. thing that was broken on purpose")
    return failed


def main():
    if "--write" in sys.argv:
        for name, text in Template(ROOT).generated().items():
            path = ROOT / MODULE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return 0
    if "--self-test" in sys.argv:
        failed = self_test()
        print("\n".join(failed) or f"all of {len(BREAK)} deliberate mistakes in the module were noticed")
        return bool(failed)
    found = list(problems(ROOT))
    print("\n".join(f"{MODULE}: {problem}" for problem in found) or "the Terraform module is that of the template")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
