"""The tasks that services would have: moto counts them, and makes none.

As many as a service wants, each running at once and registered in the service's target groups by an address of its own, as ECS does it
for tasks in network mode awsvpc; and deregistered when the service wants fewer.
"""

from processes import ACCOUNT, REGION


class Tasks:
    """The tasks of all services of a plane."""

    def __init__(self, plane):
        self.plane = plane
        self.made = 0
        # By the ARNs of their services.
        self.running = {}

    def follow(self):
        """Starts what services lack, and stops what they have too many of."""
        for service in self.plane.services().values():
            tasks = self.running.setdefault(service["serviceArn"], [])
            wanted = service["desiredCount"] if service["status"] == "ACTIVE" else 0
            while len(tasks) > wanted:
                self._target("deregister_targets", service, tasks.pop(0))
            while len(tasks) < wanted:
                tasks.append(self._task(service))
                self._target("register_targets", service, tasks[-1])

    def of(self, cluster, name):
        """The tasks of one service."""
        self.follow()
        return self.running.get(f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{cluster}/{name}", [])

    def all(self):
        self.follow()
        return {task["taskArn"]: task for tasks in self.running.values() for task in tasks}

    def _task(self, service):
        self.made += 1
        cluster = service["clusterArn"].rsplit("/", 1)[1]
        return {
            "taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}/{self.made:032x}", "clusterArn": service["clusterArn"],
            "taskDefinitionArn": service["taskDefinition"], "group": f"service:{service['serviceName']}",
            "lastStatus": "RUNNING", "desiredStatus": "RUNNING", "healthStatus": "UNKNOWN", "launchType": service["launchType"],
            "containers": [], "attachments": [{"type": "ElasticNetworkInterface", "status": "ATTACHED", "details": [
                {"name": "privateIPv4Address", "value": address(self.made)}]}],
        }

    def _target(self, operation, service, task):
        for place in service["loadBalancers"]:
            target = {"Id": task["attachments"][0]["details"][0]["value"], "Port": place["containerPort"]}
            getattr(self.plane("elbv2"), operation)(TargetGroupArn=place["targetGroupArn"], Targets=[target])


def address(number):
    """In the network of the sample base.

    >>> address(1), address(300)
    ('10.61.0.11', '10.61.1.54')
    """
    return f"10.61.{(number + 10) // 256}.{(number + 10) % 256}"
