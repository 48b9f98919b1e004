output "deploy_state_machine_arn" {
  description = "The state machine to start with a deployment document as its input; the execution's name is the deployment's id"
  value       = aws_sfn_state_machine.machine["deploy"].arn
}

output "rollback_state_machine_arn" {
  description = "The state machine that rolls a deployment back"
  value       = aws_sfn_state_machine.machine["rollback"].arn
}

output "table_name" {
  description = "The table with deployments, locks and history"
  value       = aws_dynamodb_table.state.name
}

output "topic_arn" {
  description = "The topic that approvals, outcomes and alarms are published to"
  value       = aws_sns_topic.notifications.arn
}

output "policies_for_people_arns" {
  description = "The policies for people, by what they allow: approve, deploy, look; none unless policies_for_people is true"
  value       = { for job, policy in aws_iam_policy.people : job => policy.arn }
}
