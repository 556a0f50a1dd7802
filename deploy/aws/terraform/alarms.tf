# What rings. A token that is not good counts as an error of the function, so alarms look at its log and not at Errors.

locals {
  lines = {
    Trouble     = "{ $.level = \"error\" }"
    Unavailable = "{ $.event = \"decision\" && $.status = 503 }"
    Ended       = "?\"Task timed out\" ?\"Runtime exited\" ?\"Runtime.ImportModuleError\""
  }
  own = "phantomgate/${var.name}"
  alarms = {
    Trouble     = { namespace = local.own, dimensions = {}, says = "The authorizer could not decide; its log says why (runbook, look for level error)" }
    Ended       = { namespace = local.own, dimensions = {}, says = "The authorizer was ended by Lambda, or can not be imported" }
    Unavailable = { namespace = local.own, dimensions = {}, says = "The authorization server can not be asked, so new tokens are refused; the log says why" }
    Throttles   = { namespace = "AWS/Lambda", dimensions = { FunctionName = var.name }, says = "The authorizer is throttled, so callers get 500 or 503" }
  }
}

resource "aws_cloudwatch_log_metric_filter" "lines" {
  for_each       = local.lines
  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.authorizer.name
  pattern        = each.value
  metric_transformation {
    namespace = local.own
    name      = each.key
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.key
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = each.key == "Unavailable" ? 2 : 1 # a warning each: callers try again, and it may be over by then
  threshold           = each.key == "Unavailable" ? 3 : 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn == "" ? [] : [var.alarm_topic_arn]
}
