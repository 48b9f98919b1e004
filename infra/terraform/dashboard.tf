resource "aws_cloudwatch_dashboard" "dashboard" {
  dashboard_name = "${var.name}-${local.names.region}"
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", local.names)
}
