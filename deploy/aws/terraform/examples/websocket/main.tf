# A WebSocket API whose authorizer asks about the token when a client connects (docs/how-to/aws-terraform.md).
# Your function finds the JWT in event["requestContext"]["authorizer"]["Authorization"].

resource "aws_apigatewayv2_api" "api" {
  name                       = var.name
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

module "phantomgate" {
  source                 = "../.."
  api_type               = "websocket"
  api_id                 = aws_apigatewayv2_api.api.id
  api_execution_arn      = aws_apigatewayv2_api.api.execution_arn
  name                   = "${var.name}-authorizer"
  zip_file               = var.zip_file
  introspection_endpoint = var.introspection_endpoint
  client_id              = var.client_id
  client_secret_arn      = var.client_secret_arn
  scopes                 = var.scopes
  alarm_topic_arn        = var.alarm_topic_arn
}

data "aws_lambda_function" "chat" {
  function_name = var.function_name
}

resource "aws_apigatewayv2_integration" "chat" {
  api_id           = aws_apigatewayv2_api.api.id
  integration_type = "AWS_PROXY"
  integration_uri  = data.aws_lambda_function.chat.invoke_arn
}

resource "aws_apigatewayv2_route" "connect" {
  api_id             = aws_apigatewayv2_api.api.id
  route_key          = "$connect"
  target             = "integrations/${aws_apigatewayv2_integration.chat.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.phantomgate.authorizer_id
}

resource "aws_apigatewayv2_route" "connected" {
  #checkov:skip=CKV_AWS_309:AWS takes an authorizer on $connect alone, and lets nobody send whom it refused
  for_each  = toset(["$disconnect", "$default"])
  api_id    = aws_apigatewayv2_api.api.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.chat.id}"
}

resource "aws_lambda_permission" "chat" {
  for_each      = toset(["$connect", "$disconnect", "$default"])
  function_name = data.aws_lambda_function.chat.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*/${each.key}"
}

resource "aws_apigatewayv2_stage" "api" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "api"
  auto_deploy = true
}

output "api_url" {
  value = aws_apigatewayv2_stage.api.invoke_url
}
