"""Where the resources are that deployments touch, furnished by clients that nobody here wrote: moto, and this project's simulated
AWS as `crossfade local` serves it. And what boto3 sees of them."""

import json
import re

from account import clients
from cfnlint.decode import cfn_yaml
from processes import REGION, ROOT
from tasks import Tasks

NOTHING = {"Ref": "AWS::NoValue"}


class Plane:
    """Resources, and the clients to look at them."""

    name = None

    def __init__(self, endpoint, alarms=None):
        self.endpoint = endpoint
        self.clients = clients(endpoint)
        self.alarms = alarms or self.clients

    def __call__(self, service):
        return self.alarms(service) if service == "cloudwatch" else self.clients(service)

    def roles(self, _profile):
        """The roles of an instance profile."""
        return []

    def has_alarm(self, name):
        return bool(self("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"])

    def groups(self):
        pages = self("autoscaling").get_paginator("describe_auto_scaling_groups").paginate()
        return {group["AutoScalingGroupName"]: group for page in pages for group in page["AutoScalingGroups"]}

    def size(self, group):
        found = self.groups()[group]
        return [found["MinSize"], found["DesiredCapacity"], found["MaxSize"]]

    def tags(self, group):
        return {tag["Key"]: tag["Value"] for tag in self.groups()[group]["Tags"]}

    def forwards(self, arn):
        """What a rule or a listener forwards to: target groups' names with their weights."""
        if ":listener-rule/" in arn:
            actions = self("elbv2").describe_rules(RuleArns=[arn])["Rules"][0]["Actions"]
        else:
            actions = self("elbv2").describe_listeners(ListenerArns=[arn])["Listeners"][0]["DefaultActions"]
        forward = next(action for action in actions if action["Type"] == "forward")
        groups = forward.get("ForwardConfig", {}).get("TargetGroups") or [forward]
        return {group["TargetGroupArn"].split("/")[1]: group.get("Weight", 1) for group in groups}

    def targets(self, arn):
        """Targets with their states."""
        found = self("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return {target["Target"]["Id"]: target["TargetHealth"]["State"] for target in found}

    def healthy_instances(self, group, arn):
        """How many instances of a group are in service and healthy behind a target group."""
        states = self.targets(arn)
        return sum(instance["LifecycleState"] == "InService" and states.get(instance["InstanceId"]) == "healthy"
                   for instance in self.groups()[group]["Instances"])

    def images_of(self, group):
        """The images that the instances of a group were launched from."""
        instances = [instance["InstanceId"] for instance in self.groups()[group]["Instances"]]
        found = self("ec2").describe_instances(InstanceIds=instances)["Reservations"]
        return {instance["ImageId"] for reservation in found for instance in reservation["Instances"]}

    def services(self):
        """All services, by their names, with their tags."""
        ecs, found = self("ecs"), {}
        for cluster in ecs.list_clusters()["clusterArns"]:
            names = ecs.list_services(cluster=cluster, maxResults=100)["serviceArns"]
            for at in range(0, len(names), 10):
                described = ecs.describe_services(cluster=cluster, services=names[at:at + 10], include=["TAGS"])["services"]
                found |= {service["serviceName"]: service for service in described}
        return found

    def scalable_targets(self):
        """The limits of services, by their names, with all of what may be suspended, as AWS tells it: moto knows what was asked."""
        found = self("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
        nothing = {f"{each}Suspended": False for each in ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")}
        return {target["ResourceId"].rsplit("/", 1)[1]: target | {"SuspendedState": nothing | target.get("SuspendedState", {})}
                for target in found}

    def drain_quickly(self):
        """Connections are given one second to end."""
        for group in self("elbv2").describe_target_groups()["TargetGroups"]:
            delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}
            self("elbv2").modify_target_group_attributes(TargetGroupArn=group["TargetGroupArn"], Attributes=[delay])

    def state(self):
        """Everything that a deployment may touch, to be compared."""
        scaling, balancing, ec2 = self("autoscaling"), self("elbv2"), self("ec2")

        def without(thing, *keys):
            return {key: value for key, value in thing.items() if key not in keys}

        groups = {}
        for name, group in self.groups().items():
            instances = sorted(instance["InstanceId"] for instance in group["Instances"])
            groups[name] = {**without(group, "Instances"), "Instances": instances, "Tags": self.tags(name)}
            groups[name]["SuspendedProcesses"] = sorted(each["ProcessName"] for each in group["SuspendedProcesses"])
            groups[name]["TargetGroupARNs"] = sorted(group.get("TargetGroupARNs", []))
        listeners, rules = {}, {}
        for balancer in balancing.describe_load_balancers()["LoadBalancers"]:
            for listener in balancing.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
                listeners[listener["ListenerArn"]] = listener
                for rule in balancing.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]:
                    rules[rule["RuleArn"]] = rule
        target_groups = [group["TargetGroupArn"] for group in balancing.describe_target_groups()["TargetGroups"]]
        templates = [each["LaunchTemplateId"] for each in ec2.describe_launch_templates()["LaunchTemplates"]]
        versions = {each: sorted(version["VersionNumber"] for version in
                                 ec2.describe_launch_template_versions(LaunchTemplateId=each)["LaunchTemplateVersions"])
                    for each in templates}
        state = {
            "groups": groups, "listeners": listeners, "rules": rules, "versions": versions,
            "targets": {arn: self.targets(arn) for arn in target_groups},
            "policies": scaling.describe_policies()["ScalingPolicies"],
            "schedules": scaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"],
            "alarms": sorted(alarm["AlarmName"] for alarm in self("cloudwatch").describe_alarms()["MetricAlarms"]
                             if "__" in alarm["AlarmName"]),
        }
        return json.loads(json.dumps(state, default=str, sort_keys=True))


    def changes(self, before):
        """How everything differs from what it was."""
        return differences(before, self.state())


def differences(before, after, path=""):
    """Where two states differ, one line each.

    >>> differences({"groups": {"shop__6": {"MinSize": 4}}}, {"groups": {"shop__6": {"MinSize": 0}, "shop__7": {}}})
    ['/groups/shop__6/MinSize: 4 became 0', '/groups/shop__7: None became {}']
    """
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{path}/{key}")]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


class Moto(Plane):
    """The sample base of infra/, made by moto's CloudFormation."""

    name = "moto"
    SERVICES = ("autoscaling", "ec2", "elasticloadbalancing", "ecs", "application-autoscaling", "servicediscovery")

    def __init__(self, endpoint, alarms):
        # moto does not speak the protocol in which the SDK for Rust talks to CloudWatch; ministack does.
        super().__init__(endpoint, alarms)
        self.tasks = Tasks(self)

    def roles(self, profile):
        name = (profile or {}).get("Name") or (profile or {}).get("Arn", "").rsplit("/", 1)[-1]
        found = self("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"] if name else {"Roles": []}
        return [role["Arn"] for role in found["Roles"]]

    def base(self, name, test_side=False, fleets="groups"):
        """Creates the sample base under a name. Answers the outputs of its stack."""
        conditions = {"HasTestSide": test_side, "OfGroups": fleets == "groups"}
        template = _decided(json.loads(json.dumps(cfn_yaml.load(str(ROOT / "infra/sample-base.yaml")))), conditions)
        by_hand = [template["Resources"].pop(each)["Properties"] for each in BY_HAND]
        if fleets == "services":
            del template["Outputs"]["BaseName"]
        given = {"TestSide": "yes" if test_side else "no", "Fleets": fleets}
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
        stacks = self("cloudformation")
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=parameters,
                            Capabilities=["CAPABILITY_IAM"])
        self.drain_quickly()
        outputs = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        found = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        if fleets == "services":
            # moto answers no logical id for what its condition has left out.
            resources = stacks.describe_stack_resources(StackName=name)["StackResources"]
            known = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources if "LogicalResourceId" in each}
            known |= {"AWS::StackName": name, "AWS::Region": REGION, "Cluster": name, "ExecutionRole.Arn": found["TaskRoleArn"]}
            known["BaseImage"] = template["Parameters"]["BaseImage"]["Default"]
            definition, service = (_as_asked(each, known) for each in by_hand)
            definition = self("ecs").register_task_definition(**definition)["taskDefinition"]
            self("ecs").create_service(**service | {"taskDefinition": definition["taskDefinitionArn"]})
        return found

    def state(self):
        self.tasks.follow()
        # Nothing can delete a version here.
        state = {kind: things for kind, things in super().state().items() if kind != "versions"}
        services = {name: service for name, service in self.services().items() if service["status"] != "INACTIVE"}
        policies = self("application-autoscaling").describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
        definitions = self("ecs").list_task_definitions()["taskDefinitionArns"]
        ecs = {"services": services, "scalableTargets": self.scalable_targets(), "servicePolicies": policies,
               "definitions": definitions, "tasks": self.tasks.all(), "registered": self.registered()}
        return state | json.loads(json.dumps(ecs, default=str, sort_keys=True))

    def namespace(self, name, colours):
        """A namespace of Cloud Map with services in it, whose tasks tell how they are; nothing is remembered for long. Answers the
        ARNs of the services, by their names in DNS."""
        cloud_map = self("servicediscovery")
        vpc = self("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        made = cloud_map.create_private_dns_namespace(Name=name, Vpc=vpc, Properties={"DnsProperties": {"SOA": {"TTL": 1}}})
        namespace = cloud_map.get_operation(OperationId=made["OperationId"])["Operation"]["Targets"]["NAMESPACE"]
        dns = {"NamespaceId": namespace, "DnsRecords": [{"Type": "A", "TTL": 1}]}
        return {f"{colour}.{name}": cloud_map.create_service(Name=colour, NamespaceId=namespace, DnsConfig=dns,
                                                             HealthCheckCustomConfig={"FailureThreshold": 1})["Service"]["Arn"]
                for colour in colours}

    def registered(self):
        """Who is registered in Cloud Map services, and how they are, by the ARNs of the services."""
        cloud_map = self("servicediscovery")
        return {service["Arn"]: cloud_map.get_instances_health_status(ServiceId=service["Id"])["Status"]
                for service in cloud_map.list_services()["Services"]}

    def forget_the_dead(self):
        """Deregisters targets whose instances are gone, as Auto Scaling does it and moto does not."""
        alive = {instance["InstanceId"] for group in self.groups().values() for instance in group["Instances"]}
        for group in self("elbv2").describe_target_groups()["TargetGroups"]:
            arn = group["TargetGroupArn"]
            dead = [{"Id": target} for target in self.targets(arn) if target not in alive]
            if dead:
                self("elbv2").deregister_targets(TargetGroupArn=arn, Targets=dead)

    def images(self, number):
        """Images of the processor architecture of the sample base. Those that moto registers itself have none."""
        found = self("ec2").describe_images(Filters=[{"Name": "architecture", "Values": ["arm64"]}])["Images"]
        return sorted(image["ImageId"] for image in found if image["State"] == "available")[:number]


# What moto's CloudFormation makes with a few of its properties alone, so that ECS is asked for them itself.
BY_HAND = ("TaskDefinition", "BaseService")


def _as_asked(value, known):
    """Properties of a resource in a template as ECS itself is asked for them.

    >>> _as_asked({"ServiceName": {"Fn::Sub": "${AWS::StackName}-base"}, "Cluster": {"Ref": "C"}}, {"AWS::StackName": "a", "C": "c"})
    {'serviceName': 'a-base', 'cluster': 'c'}
    """
    match value:
        case {"Ref": name}:
            return known.get(name, name)
        case {"Fn::GetAtt": [name, attribute]}:
            return known[f"{name}.{attribute}"]
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: known[found[1]], text)
        case dict():
            return {key[0].lower() + key[1:]: _as_asked(each, known) for key, each in value.items()}
        case list():
            return [_as_asked(each, known) for each in value]
    return value


def _decided(value, conditions):
    """The template as moto can read it. It leaves `AWS::NoValue` standing in lists, so the conditions are decided here; and it
    knows a listener's only target group by its shorter form alone."""
    if isinstance(value, dict):
        if set(value) == {"Fn::If"}:
            return _decided(value["Fn::If"][1 if conditions[value["Fn::If"][0]] else 2], conditions)
        decided = {key: _decided(each, conditions) for key, each in value.items()}
        groups = decided.get("ForwardConfig", {}).get("TargetGroups", []) if "Type" in decided else []
        if len(groups) == 1:
            return {"Type": decided["Type"], "TargetGroupArn": groups[0]["TargetGroupArn"]}
        return {key: each for key, each in decided.items() if each != NOTHING}
    if isinstance(value, list):
        return [each for each in (_decided(each, conditions) for each in value) if each != NOTHING]
    return value


class Simulated(Plane):
    """The shop of `crossfade local`, whose instances take time to boot and whose targets take time to be healthy."""

    name = "crossfade-sim"
    SERVICES = ("autoscaling", "ec2", "elasticloadbalancing", "monitoring")
    IMAGE = "ami-0a11ce00000000007"

    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.drain_quickly()

