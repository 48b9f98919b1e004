"""Proves that cfn-lint would notice what we rely on it for.

    linters.py TRANSFORMED_TEMPLATE

Breaks copies of the transformed template on purpose and fails unless cfn-lint reports the code that belongs to it: a linter
that is pointed at the wrong thing is silent, too.
"""

import copy
import json
import sys
from pathlib import Path

from cfnlint.api import ManualArgs, lint


def statement(resources, role, sid):
    document = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]
    return next(found for found in document["Statement"] if found.get("Sid") == sid)


BREAK = {
    "E3510": ("a misspelt effect", lambda r: statement(r, "UpscaleRole", "Records").update(Effect="Permit")),
    "W3037": (
        "an action that does not exist",
        lambda r: statement(r, "UpscaleRole", "Records").update(Action="dynamodb:TransactWriteItems"),
    ),
    "E1010": (
        "a reference to nothing",
        lambda r: r["UpscaleFunction"]["Properties"].update(Role={"Fn::GetAtt": ["NobodyRole", "Arn"]}),
    ),
    "E3002": ("an unknown property", lambda r: r["Table"]["Properties"].update(Encrypted=True)),
    "E3601": (
        "a misspelt field of a state",
        lambda r: r["DeployStateMachine"]["Properties"].update(
            DefinitionString=r["DeployStateMachine"]["Properties"]["DefinitionString"].replace('"OutputPath"', '"OutptPath"')
        ),
    ),
    "E3004": (
        "a circle of dependencies",
        lambda r: statement(r, "FinishRole", "AnswerDeployments").update(Resource={"Ref": "DeployStateMachine"}),
    ),
}


def main():
    template = json.loads(Path(sys.argv[1]).read_text())
    missed = []
    for code, (what, mutate) in BREAK.items():
        broken = copy.deepcopy(template)
        mutate(broken["Resources"])
        found = {match.rule.id for match in lint(json.dumps(broken), config=ManualArgs(regions=["eu-west-1"]))}
        if code not in found:
            missed.append(f"cfn-lint did not report {what} ({code}), only {sorted(found)}")
    print("\n".join(missed) or f"cfn-lint noticed all of {len(BREAK)} deliberate mistakes")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
