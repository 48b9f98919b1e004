# Managed policies for people and pipelines. None of them is attached to anybody.

resource "aws_iam_policy" "people" {
  for_each    = toset(var.policies_for_people ? ["approve", "deploy", "look"] : [])
  name        = "${var.name}-${each.key}"
  description = "Whoever may ${each.key} with ${var.name}"
  tags        = var.tags

  policy = jsonencode(jsondecode(templatefile("${path.module}/policies/people-${each.key}.json.tftpl", local.with_key)))
}
