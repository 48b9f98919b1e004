"""Whether JSON fits a schema, and says nothing that the schema does not know.

    fits.py SCHEMA    reads an object a line from standard input; prints what does not fit, and exits with 1
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator


def main():
    schema = json.loads(Path(sys.argv[1]).read_text())
    Draft202012Validator.check_schema(schema)
    # Of a choice each alternative has fields of its own.
    schema.setdefault("unevaluatedProperties", False)
    validator = Draft202012Validator(schema)
    objects = [json.loads(line) for line in sys.stdin if line.strip()]
    if not objects:
        sys.exit("nothing was printed")
    errors = [f"{error.json_path}: {error.message}" for one in objects for error in validator.iter_errors(one)]
    if errors:
        sys.exit("\n".join(errors))


main()
