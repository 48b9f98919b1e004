"""Which states an execution went through, as its history tells, and what of that is chance."""

import re

# How often a stage is looked at again depends on the time that things take, and on nothing else: after `Route`, `Wait` leads to
# `WaitSteady`, or `WaitToAct`, `Act` and `Route` to the stage's own state, and that to `Route`.
AGAIN = re.compile(r"(?<=\bRoute )(?:Wait|WaitToAct Act Route) (\w+) Route ")


def entered(states, execution):
    """The states, in the order in which they were entered."""
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
    details = (event.get("stateEnteredEventDetails") for page in pages for event in page["events"])
    return [detail["name"] for detail in details if detail]


def path(names):
    """The states without the repetitions of waiting.

    >>> path("Route Upscale Route Wait WaitSteady Route WaitToAct Act Route Upscale Route Hold Route".split())
    ['Route', 'Upscale', 'Route', 'Hold', 'Route']

    Another stage, or none, in a round is no repetition:

    >>> " ".join(path("Route Upscale Route WaitToAct Act Route Hold Route".split()))
    'Route Upscale Route WaitToAct Act Route Hold Route'
    >>> " ".join(path("Route Upscale Route Wait Route".split()))
    'Route Upscale Route Wait Route'
    """
    text = "".join(f"{name} " for name in names)
    while True:
        shorter = _once_less(text)
        if shorter == text:
            return text.split()
        text = shorter


def _once_less(text):
    """The text without one round of waiting, if there is one."""
    for found in AGAIN.finditer(text):
        before = text[:found.start()].split()
        # What was routed before: the round belongs to it, or to the waiting for it.
        acted = before[-2] if len(before) > 1 else None
        if found[1] in (acted, "WaitSteady"):
            return text[:found.start()] + text[found.end():]
    return text


def differences(paths):
    """What the interpreters disagree about; nothing when all went the same way.

    >>> differences({"one": ["Begin", "Prepare"], "other": ["Begin", "Prepare"]})
    []
    >>> differences({"one": ["Begin", "Prepare"], "other": ["Begin"]})
    ['one: Begin Prepare', 'other: Begin']
    """
    by_path = {}
    for interpreter, names in paths.items():
        by_path.setdefault(tuple(names), []).append(interpreter)
    if len(by_path) <= 1:
        return []
    return [f"{', '.join(who)}: {' '.join(names)}" for names, who in by_path.items()]
