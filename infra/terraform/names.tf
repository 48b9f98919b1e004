# What the generated files want to know, and what comes of them. ARNs are computed from names, so that a plan knows them all before
# anything exists. Only the key's is AWS's to choose.

data "aws_partition" "here" {}

data "aws_region" "here" {}

data "aws_caller_identity" "here" {}

locals {
  names = {
    partition               = data.aws_partition.here.partition
    region                  = data.aws_region.here.region
    account                 = data.aws_caller_identity.here.account_id
    name                    = var.name
    instance_role_arn       = var.instance_role_arn
    lifecycle_hook_role_arn = var.lifecycle_hook_role_arn
    ecs_task_role_arns      = var.ecs_task_role_arns
    spot_secret_arns        = var.spot_secret_arns
    spot_parameter_arns     = var.spot_parameter_arns
    hook_function_arns      = var.hook_function_arns
    hook_secret_arns        = var.hook_secret_arns
    dns_names               = var.dns_names
    load_balancer_names     = var.load_balancer_names
    other_topic_arns        = var.other_topic_arns
    readable_stack_arns     = var.readable_stack_arns
    readable_parameter_arns = var.readable_parameter_arns
    readable_object_arns    = var.readable_object_arns
    trigger_on_images       = var.trigger_on_images
    trigger_on_parameters   = var.trigger_on_parameters
    trigger_on_schedule     = var.trigger_on_schedule
  }

  # For the policies of roles. The key's own policy does without, or it would depend on itself.
  with_key = merge(local.names, { key_arn = aws_kms_key.topic.arn })

  here      = "${local.names.partition}:%s:${local.names.region}:${local.names.account}"
  functions = jsondecode(file("${path.module}/functions.json"))
  alarms    = jsondecode(templatefile("${path.module}/alarms.json.tftpl", local.names))
  rules     = { for name, rule in jsondecode(templatefile("${path.module}/rules.json.tftpl", local.names)) : name => rule if rule.enabled }
  boundary  = var.permissions_boundary_arn == "" ? null : var.permissions_boundary_arn
}
