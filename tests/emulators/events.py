"""Events as AWS's services send them to EventBridge, and the rules that wait for them."""

import json

from account import Failed
from processes import ACCOUNT, REGION


class Rule:
    """A deployed rule, which waits for events of one of AWS's services.

    Nobody but AWS may send events in the name of its services, and ministack holds to that. So ministack is asked whether the
    rule, as it was deployed, matches the event that the service sends; to be sent, the event and the rule get another source.
    """

    SENDER = "stories"

    def __init__(self, events, name, kind):
        self.events, self.name, self.kind = events, name, kind
        rule = events.describe_rule(Name=name)
        pattern = json.loads(rule["EventPattern"])
        self.pattern, (self.source,) = rule["EventPattern"], pattern["source"]
        events.put_rule(Name=name, State=rule["State"], EventPattern=json.dumps({**pattern, "source": [self.SENDER]}))

    def matches(self, detail):
        """Whether the rule as it was deployed waits for this event."""
        event = {"id": "1", "account": ACCOUNT, "source": self.source, "time": "2026-11-21T09:00:00Z", "region": REGION,
                 "resources": [], "detail-type": self.kind, "detail": detail}
        return self.events.test_event_pattern(EventPattern=self.pattern, Event=json.dumps(event))["Result"]

    def happens(self, detail):
        """Sends the event."""
        entry = {"Source": self.SENDER, "DetailType": self.kind, "Detail": json.dumps(detail)}
        sent = self.events.put_events(Entries=[entry])
        if sent["FailedEntryCount"]:
            raise Failed(f"the event was not sent: {sent}")


def listeners(events, function_arn):
    """The rules whose events go to a function."""
    return events.list_rule_names_by_target(TargetArn=function_arn)["RuleNames"]
