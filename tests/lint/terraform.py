"""The Terraform module in infra/terraform holds together, and has something for all that template.yaml has.

    terraform.py             checks it; every problem is one line
    terraform.py --self-test breaks a copy of the module on purpose, and fails unless that is noticed

Policies, functions, alarms and rules are generated (`cargo xtask generate`), which is checked there. Terraform itself is not needed
for any of this, and does not run here: python-hcl2 reads the module.
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
# Parameters of the template that the module has no use for, or under another name.
NOT_VARIABLES = {"Architecture", "TriggerOnImages"}


def snake(name):
    """`ReadableStackArns` -> `readable_stack_arns`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


# ---------------------------------------------------------------------------------------------------------- the checks

# What the module makes of each kind of resource in the template, so that a new kind is not forgotten.
MADE = {
    "AWS::CloudWatch::Alarm": "aws_cloudwatch_metric_alarm",
    "AWS::CloudWatch::Dashboard": "aws_cloudwatch_dashboard",
    "AWS::DynamoDB::Table": "aws_dynamodb_table",
    "AWS::Events::Rule": "aws_cloudwatch_event_rule",
    "AWS::IAM::ManagedPolicy": "aws_iam_policy",
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
    template = yaml_parse((root / "template.yaml").read_text())
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
    for kind in sorted({resource["Type"] for resource in template["Resources"].values()}):
        if MADE.get(kind) not in {made for made, _ in resources}:
            yield f"the template has {kind}, and the module nothing for it"
    for name in template["Parameters"]:
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
    for function in json.loads((module / "functions.json").read_text()).values():
        for name in function["environment"]:
            if not re.search(rf"^    {name} +=", text, re.M):
                yield f"the module does not know the variable {name} of a function's environment"


def replaced(path, old, new):
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path.name} has no {old}")
    path.write_text(text.replace(old, new, 1))


# Each breaks one thing in a copy.
BREAK = [
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
    if "--self-test" in sys.argv:
        failed = self_test()
        print("\n".join(failed) or f"all of {len(BREAK)} deliberate mistakes in the module were noticed")
        return bool(failed)
    found = list(problems(ROOT))
    print("\n".join(f"{MODULE}: {problem}" for problem in found) or "the Terraform module holds together")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
