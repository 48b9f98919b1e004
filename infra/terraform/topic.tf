# CloudWatch alarms cannot publish to a topic that is encrypted with the key aws/sns, whose policy nobody can change: the alarm would
# fire and nobody would hear of it. Hence a key of our own.
resource "aws_kms_key" "topic" {
  description             = "Encrypts the notifications of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = templatefile("${path.module}/policies/topic-key.json.tftpl", local.names)
  tags                    = var.tags
}

resource "aws_sns_topic" "notifications" {
  name              = var.name
  display_name      = "crossfade"
  kms_master_key_id = aws_kms_key.topic.arn
  tags              = var.tags
}

resource "aws_sns_topic_policy" "notifications" {
  arn    = aws_sns_topic.notifications.arn
  policy = templatefile("${path.module}/policies/topic.json.tftpl", local.names)
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.notification_email == "" ? 0 : 1
  topic_arn = aws_sns_topic.notifications.arn
  protocol  = "email"
  endpoint  = var.notification_email
}
