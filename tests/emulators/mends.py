"""What moto cannot answer, or answers otherwise than AWS does, put right on the way, each one for a reason.

Only what would end every deployment before it could show anything is here; docs/emulators.md has all differences that were
found, these among them.
"""

import json
import re

# (service, operation) -> what gives the whole answer, since moto says NotImplementedError.
STAND_INS = {}
# (service, operation) -> what repairs moto's answer.
REPAIRS = {}


def on(table, service, operation):
    def remember(function):
        table[(service, operation)] = function
        return function
    return remember


@on(REPAIRS, "autoscaling", "DescribeAutoScalingGroups")
def no_policy(answer, _):
    """Every group bears an empty MixedInstancesPolicy."""
    return re.sub(rb"<MixedInstancesPolicy\s*/>|<MixedInstancesPolicy>\s*</MixedInstancesPolicy>", b"", answer)


@on(REPAIRS, "servicediscovery", "GetNamespace")
def zone_by_its_id(answer, _):
    """The zone of a namespace goes by its path."""
    return answer.replace(b'"/hostedzone/', b'"')


@on(REPAIRS, "ecs", "UpdateService")
def tasks_come_and_go(answer, plane):
    """Services have no tasks: those that the stories run come when the service wants them, not only when somebody asks for them."""
    plane.tasks.follow()
    return answer


@on(STAND_INS, "autoscaling", "DescribeNotificationConfigurations")
def no_notifications(*_):
    return "<NotificationConfigurations/>"


@on(STAND_INS, "autoscaling", "DescribeInstanceRefreshes")
def no_refreshes(*_):
    return "<InstanceRefreshes/>"


@on(STAND_INS, "autoscaling", "DescribeTrafficSources")
def target_groups_as_sources(request, plane):
    """The newer way to list the same attachments."""
    group = plane.groups()[request.said["AutoScalingGroupName"]]
    sources = "".join(f"<member><Identifier>{arn}</Identifier><TrafficSource>{arn}</TrafficSource><Type>elbv2</Type>"
                      "<State>InService</State></member>" for arn in group.get("TargetGroupARNs", []))
    return f"<TrafficSources>{sources}</TrafficSources>"


@on(STAND_INS, "ec2", "DeleteLaunchTemplateVersions")
def versions_stay(*_):
    """They stay in moto, which hurts nobody."""
    return "<successfullyDeletedLaunchTemplateVersionSet/><unsuccessfullyDeletedLaunchTemplateVersionSet/>"


@on(STAND_INS, "ecs", "ListTasks")
def tasks_of_a_service(request, plane):
    """Services have no tasks."""
    running = request.said["desiredStatus"] == "RUNNING"
    tasks = plane.tasks.of(request.said["cluster"], request.said["serviceName"]) if running else []
    return {"taskArns": [task["taskArn"] for task in tasks]}


@on(STAND_INS, "ecs", "DescribeTasks")
def tasks_by_name(request, plane):
    tasks = plane.tasks.all()
    return {"tasks": [tasks[arn] for arn in request.said["tasks"] if arn in tasks], "failures": []}


@on(STAND_INS, "application-autoscaling", "DescribeScalingActivities")
def no_activities(*_):
    return {"ScalingActivities": []}


def stand_in(request, plane):
    """The answer to what moto cannot answer: status, headers, body; or nothing."""
    answer = STAND_INS.get((request.service, request.operation))
    if not answer:
        return None, None, None
    inner = answer(request, plane)
    if request.protocol == "json":
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(inner).encode()
    if request.service == "autoscaling":
        inner = f"<{request.operation}Result>{inner}</{request.operation}Result>"
    text = f"<{request.operation}Response>{inner}</{request.operation}Response>"
    return 200, {"Content-Type": "text/xml"}, text.encode()


def mended(request, answer, plane):
    """moto's answer as AWS would give it."""
    repair = REPAIRS.get((request.service, request.operation))
    return repair(answer, plane) if repair else answer
