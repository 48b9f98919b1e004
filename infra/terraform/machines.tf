# The state machines, from the same definitions as everywhere.

locals {
  machines = toset(["deploy", "rollback"])

  # `PrepareFunction` and so on, as the definitions call them.
  substitutions = merge(
    { Partition = local.names.partition },
    {
      for name, function in aws_lambda_function.function :
      "${join("", [for part in split("-", name) : title(part)])}Function" => function.arn
    }
  )
}

resource "aws_cloudwatch_log_group" "machine" {
  for_each = local.machines
  # Under vendedlogs the account's log resource policy, which is limited in length, need not grow.
  name              = "/aws/vendedlogs/states/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "machine" {
  for_each             = local.machines
  name                 = "${var.name}-machine-${each.key}"
  description          = "State machine ${each.key} of ${var.name}"
  permissions_boundary = local.boundary
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.names.account }
        ArnLike      = { "aws:SourceArn" = "arn:${format(local.here, "states")}:stateMachine:${var.name}-${each.key}" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  for_each = local.machines
  name     = each.key
  role     = aws_iam_role.machine[each.key].id
  policy   = jsonencode(jsondecode(templatefile("${path.module}/policies/machine-${each.key}.json.tftpl", local.with_key)))
}

resource "aws_sfn_state_machine" "machine" {
  for_each   = local.machines
  name       = "${var.name}-${each.key}"
  type       = "STANDARD"
  role_arn   = aws_iam_role.machine[each.key].arn
  definition = templatefile("${path.module}/../../statemachines/${each.key}.asl.json", local.substitutions)
  tags       = var.tags

  logging_configuration {
    level = "ALL"
    # Inputs and outputs hold task tokens: whoever has one can approve. They stay out of the logs.
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.machine[each.key].arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.machine]
}
