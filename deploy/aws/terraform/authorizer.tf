# The authorizer of the API, and its permission to invoke the function: nobody else has it.

locals {
  rest          = startswith(var.api_type, "rest-")
  http          = var.api_type == "http"
  authorizer_id = local.rest ? aws_api_gateway_authorizer.rest[0].id : aws_apigatewayv2_authorizer.http_or_websocket[0].id
}

resource "aws_api_gateway_authorizer" "rest" {
  count                            = local.rest ? 1 : 0
  name                             = var.name
  rest_api_id                      = var.api_id
  type                             = var.api_type == "rest-token" ? "TOKEN" : "REQUEST"
  authorizer_uri                   = aws_lambda_function.authorizer.invoke_arn
  authorizer_result_ttl_in_seconds = local.cache_ttl
  identity_source                  = "method.request.header.Authorization" # what answers are remembered by; not one less
  # garbage costs no invocation
  identity_validation_expression = var.api_type == "rest-token" ? "^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9._~+/=-]{8,4096}$" : null
}

resource "aws_apigatewayv2_authorizer" "http_or_websocket" {
  count           = local.rest ? 0 : 1
  name            = var.name
  api_id          = var.api_id
  authorizer_type = "REQUEST"
  authorizer_uri  = aws_lambda_function.authorizer.invoke_arn

  # What answers are remembered by: the token, and the route for [[routes]].
  identity_sources = local.http ? ["$request.header.Authorization", "$context.routeKey"] : ["route.request.header.Authorization"]

  authorizer_payload_format_version = local.http ? "2.0" : null
  enable_simple_responses           = local.http ? true : null
  authorizer_result_ttl_in_seconds  = local.http ? local.cache_ttl : null
}

resource "aws_lambda_permission" "authorizer" {
  function_name = aws_lambda_function.authorizer.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${var.api_execution_arn}/authorizers/${local.authorizer_id}"
}
