"""The template as CloudFormation gets to see it, for cfn-lint.

cfn-lint does not look into SAM's own resources, state machines above all. So the SAM transform is done here first, with the
state machine definitions in place of their file names.

    transform.py TEMPLATE OUTPUT
"""

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def transformed(source: Path) -> dict:
    """The template after the SAM transform."""
    template = yaml_parse(source.read_text())
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::StateMachine":
            definition = source.parent / properties.pop("DefinitionUri")
            properties["Definition"] = json.loads(definition.read_text())
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam package` would have put the code there.
            properties["CodeUri"] = "s3://bucket/key"
    parameters = {
        name: parameter["Default"] for name, parameter in template["Parameters"].items() if "Default" in parameter
    }
    result = Translator({}, Parser()).translate(sam_template=template, parameter_values=parameters)
    for resource in result["Resources"].values():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            # SAM joins it from its lines, and cfn-lint goes one level down for each; nor does it take `${…}` in an ARN.
            delimiter, lines = resource["Properties"]["DefinitionString"]["Fn::Join"]
            resource["Properties"]["DefinitionString"] = delimiter.join(lines).replace("${Partition}", "aws")
    return result


if __name__ == "__main__":
    try:
        result = transformed(Path(sys.argv[1]))
    except InvalidDocumentException as error:
        sys.exit("\n".join(["The SAM transform refuses the template:", *(cause.message for cause in error.causes)]))
    Path(sys.argv[2]).write_text(json.dumps(result, indent=1))
