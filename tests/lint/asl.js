// The state machine definitions through asl-validator, which nobody here wrote.
//
//     node asl.js              checks both
//     node asl.js --self-test  breaks copies on purpose and fails unless asl-validator notices
//
// It takes no `${…}` where an ARN belongs, so they are substituted first, the way CloudFormation will.

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const validate = require("asl-validator");

const MACHINES = ["deploy", "rollback"];

function definition(name) {
  const file = path.join(__dirname, "../../statemachines", `${name}.asl.json`);
  const text = fs.readFileSync(file, "utf8");
  const substituted = text.replace(/\$\{(\w+)\}/g, (_, placeholder) =>
    placeholder === "Partition" ? "aws" : `arn:aws:lambda:eu-west-1:123456789012:function:${placeholder}`,
  );
  return JSON.parse(substituted);
}

function problems(machine) {
  const { isValid, errors, errorsText } = validate(machine);
  return isValid ? [] : [errorsText ? errorsText("\n") : JSON.stringify(errors, null, 1)];
}

const BREAK = {
  "a Next that leads nowhere": (machine) => (machine.States.Upscale.Next = "Nowhere"),
  "a state that nothing leads to": (machine) => (machine.States.Lost = { Type: "Succeed" }),
  "a field that does not exist": (machine) => (machine.States.Upscale.Timeout = 5),
  "a Choice without choices": (machine) => (machine.States.Route.Choices = []),
  "a path that does not parse": (machine) => (machine.States.Wait.SecondsPath = "$.wait["),
};

function selfTest() {
  const missed = [];
  for (const name of MACHINES) {
    for (const [what, mutate] of Object.entries(BREAK)) {
      const machine = definition(name);
      mutate(machine);
      if (problems(machine).length === 0) missed.push(`asl-validator did not notice ${what} in ${name}`);
    }
  }
  return missed;
}

const found = process.argv.includes("--self-test")
  ? selfTest()
  : MACHINES.flatMap((name) => problems(definition(name)).map((problem) => `statemachines/${name}.asl.json: ${problem}`));
console.log(found.length ? found.join("\n") : process.argv.includes("--self-test") ? "asl-validator noticed every deliberate mistake" : "both definitions are valid");
process.exit(found.length ? 1 : 0);
