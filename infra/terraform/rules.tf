# What EventBridge tells the sweep and the triggers. Those of triggers are there only when somebody asks for them.

resource "aws_cloudwatch_event_rule" "rule" {
  for_each            = local.rules
  name                = "${var.name}-${each.key}"
  description         = each.value.description
  event_pattern       = each.value.pattern == null ? null : jsonencode(each.value.pattern)
  schedule_expression = each.value.schedule
  state               = "ENABLED"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "rule" {
  for_each  = local.rules
  rule      = aws_cloudwatch_event_rule.rule[each.key].name
  target_id = each.value.function
  arn       = aws_lambda_function.function[each.value.function].arn

  retry_policy {
    maximum_event_age_in_seconds = each.value.event_age
    maximum_retry_attempts       = each.value.event_retries
  }
}

resource "aws_lambda_permission" "rule" {
  for_each      = local.rules
  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function[each.value.function].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.rule[each.key].arn
}
