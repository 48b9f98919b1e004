"""The tasks that services would have: moto counts them, and makes none.

As many as a service wants, each running at once and registered in the service's target groups by an address of its own, and in its
Cloud Map services by its id, as ECS does it for tasks in network mode awsvpc; and deregistered when the service wants fewer.
"""

import threading

from processes import ACCOUNT, REGION


class Tasks:
    """The tasks of all services of a plane."""

    def __init__(self, plane):
        self.plane = plane
        self.made = 0
        # By the ARNs of their services.
        self.running = {}
        # Several deployments may ask at once.
        self.following = threading.Lock()

    def follow(self):
        """Starts what services lack, and stops what they have too many of."""
        with self.following:
            self._follow()

    def _follow(self):
        for service in self.plane.services().values():
            tasks = self.running.setdefault(service["serviceArn"], [])
            wanted = service["desiredCount"] if service["status"] == "ACTIVE" else 0
            while len(tasks) > wanted:
                task = tasks.pop(0)
                self._target("deregister_targets", service, task)
                self._name("deregister_instance", service, task)
            while len(tasks) < wanted:
                task = self._task(service)
                tasks.append(task)
                self._target("register_targets", service, task)
                known = {"AWS_INSTANCE_IPV4": address_of(task), "ECS_SERVICE_NAME": service["serviceName"]}
                self._name("register_instance", service, task, Attributes=known)

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
            target = {"Id": address_of(task), "Port": place["containerPort"]}
            getattr(self.plane("elbv2"), operation)(TargetGroupArn=place["targetGroupArn"], Targets=[target])

    def _name(self, operation, service, task, **known):
        for place in service.get("serviceRegistries", []):
            registry = place["registryArn"].rsplit("/", 1)[1]
            getattr(self.plane("servicediscovery"), operation)(ServiceId=registry, InstanceId=id_of(task), **known)


def address_of(task):
    return task["attachments"][0]["details"][0]["value"]


def id_of(task):
    """What Cloud Map knows a task by.

    >>> id_of({"taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/shop/0af1"})
    '0af1'
    """
    return task["taskArn"].rsplit("/", 1)[1]


def address(number):
    """In the network of the sample base.

    >>> address(1), address(300)
    ('10.61.0.11', '10.61.1.54')
    """
    return f"10.61.{(number + 10) // 256}.{(number + 10) % 256}"
