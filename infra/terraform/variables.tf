# The parameters of template.yaml, in Terraform's words.

variable "name" {
  description = "What crossfade is called here: the prefix of everything it consists of, and the name of its table. `crossfade --stack NAME` finds it by that."
  type        = string
  default     = "crossfade"

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{2,40}$", var.name))
    error_message = "The name has 3 to 41 letters, digits and hyphens, and begins with a letter."
  }
}

variable "artifacts" {
  description = "Directory with the built functions, NAME/bootstrap.zip each, as cargo xtask release leaves them in target/lambda/ARCHITECTURE."
  type        = string
}

variable "architecture" {
  description = "Processor architecture that the functions were built for: arm64 or x86_64. Nothing to do with that of your instances."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
}

# No default on purpose: any default that works for everybody would let every role of the account be handed on.
variable "instance_role_arn" {
  description = "ARN of the IAM role that the instances of your base groups run as; wildcards are allowed. \"none\" if no base has an instance profile."
  type        = string

  validation {
    condition     = can(regex("^(none|arn:aws[a-z-]*:iam::\\d{12}:role/[\\w+=,.@/*?-]+)$", var.instance_role_arn))
    error_message = "It must be the ARN of a role, possibly with wildcards, or none."
  }
}

variable "lifecycle_hook_role_arn" {
  description = "ARN of the IAM role by which life-cycle hooks of your base groups notify a queue or a topic; wildcards are allowed. \"none\" if no hook has a role."
  type        = string
  default     = "none"

  validation {
    condition     = can(regex("^(none|arn:aws[a-z-]*:iam::\\d{12}:role/[\\w+=,.@/*?-]+)$", var.lifecycle_hook_role_arn))
    error_message = "It must be the ARN of a role, possibly with wildcards, or none."
  }
}

variable "ecs_task_role_arns" {
  description = "ARNs of the IAM roles that the tasks of your base services run as and are started with; wildcards are allowed. Empty for Auto Scaling groups alone."
  type        = list(string)
  default     = []
}

variable "spot_secret_arns" {
  description = "ARNs of the secrets with the API tokens of your Spot accounts, named crossfade/spot/ACCOUNT; wildcards are allowed. Empty where no Elastigroups are deployed."
  type        = list(string)
  default     = []
}

variable "spot_parameter_arns" {
  description = "ARNs of the parameters of the type SecureString that hold such tokens, named /crossfade/spot/ACCOUNT; wildcards are allowed. Empty where the tokens are in Secrets Manager."
  type        = list(string)
  default     = []
}

variable "hook_function_arns" {
  description = "ARNs of the Lambda functions that hooks may invoke, and their versions or aliases; wildcards are allowed. Empty for none."
  type        = list(string)
  default     = []
}

variable "hook_hosts" {
  description = "Hosts of the endpoints that hooks may call; wildcards are allowed, as in *.hooks.example.com. They have to be at public addresses. Empty for none."
  type        = list(string)
  default     = []
}

variable "hook_secret_arns" {
  description = "ARNs of the secrets that such endpoints are called with; wildcards are allowed. Empty for none."
  type        = list(string)
  default     = []
}

variable "dns_names" {
  description = "Names in DNS whose records crossfade may set, in lower case and without a final dot; wildcards are allowed, as in *.shop.example.com. Empty where no traffic is shifted by DNS."
  type        = list(string)
  default     = []
}

variable "load_balancer_names" {
  description = "Name of the load balancers whose rules and listeners crossfade may set; wildcards are allowed, as in shop-*."
  type        = string
  default     = "*"
}

variable "notification_email" {
  description = "E-mail address that is told about approvals, outcomes and alarms. Empty for none; AWS asks it to confirm."
  type        = string
  default     = ""
}

variable "other_topic_arns" {
  description = "ARNs of further SNS topics that deployment documents may name under notifications.topicArn."
  type        = list(string)
  default     = []
}

variable "readable_stack_arns" {
  description = "ARNs of the CloudFormation stacks whose outputs deployment documents may refer to; wildcards are allowed."
  type        = list(string)
  default     = []
}

variable "readable_parameter_arns" {
  description = "ARNs of the parameters in Parameter Store that deployment documents may refer to; wildcards are allowed."
  type        = list(string)
  default     = []
}

variable "readable_object_arns" {
  description = "ARNs of the S3 objects with Terraform outputs or templates that deployment documents may refer to, or with documents that triggers may name; wildcards are allowed."
  type        = list(string)
  default     = []
}

variable "trigger_on_images" {
  description = "Whether new images start deployments. Which, say the triggers: parameters below /NAME/triggers (docs/operating.md)."
  type        = bool
  default     = false
}

variable "trigger_on_parameters" {
  description = "Names of the parameters in Parameter Store whose new values start deployments; each has to be among readable_parameter_arns as well."
  type        = list(string)
  default     = []
}

variable "trigger_on_schedule" {
  description = "When deployments start by themselves, in UTC and in EventBridge's words, as in cron(0 3 ? * MON-FRI *). Empty for never."
  type        = string
  default     = ""
}

variable "reserved_concurrency" {
  description = "How many invocations of each function Lambda keeps free at any time, so that nobody else's use it up; 0 for none. An account's limit must leave 100 to everybody, which those of new accounts, 10, do not allow."
  type        = number
  default     = 0
}

variable "log_retention_days" {
  description = "Days that logs are kept. A deployment's own log lines are in the table as well and stay there."
  type        = number
  default     = 90
}

variable "log_level" {
  description = "The least severe log lines that the functions write: TRACE, DEBUG, INFO, WARN or ERROR."
  type        = string
  default     = "INFO"
}

variable "permissions_boundary_arn" {
  description = "ARN of a permissions boundary for every role, if your organisation demands one."
  type        = string
  default     = ""
}

variable "policies_for_people" {
  description = "Whether the module has managed policies for people and pipelines: to look, to deploy, to approve. Whoever is to have one, you attach it to (docs/permissions.md)."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that the module makes."
  type        = map(string)
  default     = {}
}
