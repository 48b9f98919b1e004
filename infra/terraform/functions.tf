# One block each for every function of functions.json: log group, role, policy, function.

locals {
  environment = {
    CROSSFADE_LOG              = var.log_level
    TABLE_NAME                 = aws_dynamodb_table.state.name
    TOPIC_ARN                  = aws_sns_topic.notifications.arn
    DEPLOY_STATE_MACHINE_ARN   = "arn:${format(local.here, "states")}:stateMachine:${var.name}-deploy"
    ROLLBACK_STATE_MACHINE_ARN = "arn:${format(local.here, "states")}:stateMachine:${var.name}-rollback"
    HOOK_HTTP_FUNCTION_ARN     = "arn:${format(local.here, "lambda")}:function:${var.name}-hook-http"
    HOOK_HOSTS                 = join(",", var.hook_hosts)
  }
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "function" {
  for_each             = local.functions
  name                 = "${var.name}-${each.key}"
  description          = "Function ${each.key} of ${var.name}"
  permissions_boundary = local.boundary
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = each.key
  role     = aws_iam_role.function[each.key].id
  # Read and written once more: without the blanks it is well below the limit of a role's policies.
  policy = jsonencode(jsondecode(templatefile("${path.module}/policies/${each.key}.json.tftpl", local.with_key)))
}

resource "aws_lambda_function" "function" {
  for_each         = local.functions
  function_name    = "${var.name}-${each.key}"
  role             = aws_iam_role.function[each.key].arn
  filename         = "${var.artifacts}/${each.key}/bootstrap.zip"
  source_code_hash = filebase64sha256("${var.artifacts}/${each.key}/bootstrap.zip")
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  memory_size      = each.value.memory
  timeout          = each.value.timeout
  tags             = var.tags

  reserved_concurrent_executions = var.reserved_concurrency > 0 ? var.reserved_concurrency : -1

  environment {
    variables = { for name in each.value.environment : name => local.environment[name] }
  }

  logging_config {
    log_format            = "JSON"
    application_log_level = var.log_level
    log_group             = aws_cloudwatch_log_group.function[each.key].name
  }

  depends_on = [aws_iam_role_policy.function]
}

resource "aws_lambda_function_event_invoke_config" "function" {
  for_each                     = { for name, settings in local.functions : name => settings if settings.event_age != null }
  function_name                = aws_lambda_function.function[each.key].function_name
  maximum_event_age_in_seconds = each.value.event_age
  maximum_retry_attempts       = each.value.event_retries
}
