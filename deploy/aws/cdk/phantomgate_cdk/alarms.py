"""What rings: the function could not decide, was ended, or is throttled. A token that is not good rings nothing.

Rule: such a token counts as an error of the function, so alarms look at its log and not at Errors.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack, aws_lambda, aws_sns
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, Metric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction
from aws_cdk.aws_logs import FilterPattern, IFilterPattern, LogGroup
from constructs import Construct

MINUTE = Duration.minutes(1)


def add_alarms(scope: Construct, function: aws_lambda.Function, log: LogGroup, topic: aws_sns.ITopic | None) -> None:
    """Alarms of *function*, whose log is *log*; without a *topic* they are in the console only."""
    error = FilterPattern.string_value("$.level", "=", "error")
    unavailable = FilterPattern.literal('{ $.event = "decision" && $.status = 503 }')
    ended = FilterPattern.any_term("Task timed out", "Runtime exited", "Runtime.ImportModuleError")
    metrics = (
        (
            "Trouble",
            _lines(log, "Trouble", error),
            "The authorizer could not decide; its log says why (runbook, look for level error)",
        ),
        ("Ended", _lines(log, "Ended", ended), "The authorizer was ended by Lambda, or can not be imported"),
        (
            "Unavailable",
            _lines(log, "Unavailable", unavailable),
            "The authorization server can not be asked, so new tokens are refused; the log says why",
        ),
        (
            "Throttled",
            function.metric_throttles(statistic="Sum", period=MINUTE),
            "The authorizer is throttled, so callers get 500 or 503",
        ),
    )
    for name, metric, description in metrics:
        passing = name == "Unavailable"  # a warning each: callers try again, and it may be over by then
        alarm = Alarm(
            scope,
            f"{name}Alarm",
            alarm_description=description,
            metric=metric,
            threshold=3 if passing else 1,
            evaluation_periods=2 if passing else 1,
            comparison_operator=ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=TreatMissingData.NOT_BREACHING,
        )
        if topic:
            alarm.add_alarm_action(SnsAction(topic))


def _lines(log: LogGroup, name: str, pattern: IFilterPattern) -> Metric:
    lines = log.add_metric_filter(
        f"{name}Lines",
        filter_pattern=pattern,
        metric_namespace=f"phantomgate/{Stack.of(log).stack_name}",
        metric_name=name,
        metric_value="1",
    )
    return lines.metric(statistic="Sum", period=MINUTE)
