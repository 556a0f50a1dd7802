# A preflight has no token: the API answers it.

locals {
  preflight = {
    "method.response.header.Access-Control-Allow-Origin"  = "'${var.web_origin}'"
    "method.response.header.Access-Control-Allow-Methods" = "'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS'"
    "method.response.header.Access-Control-Allow-Headers" = "'authorization,content-type'"
    "method.response.header.Access-Control-Max-Age"       = "'3600'"
  }
}

resource "aws_api_gateway_method" "preflight" {
  for_each      = local.paths
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = each.value.resource
  http_method   = "OPTIONS"
  authorization = "NONE"
}

resource "aws_api_gateway_method_response" "preflight" {
  for_each            = aws_api_gateway_method.preflight
  rest_api_id         = each.value.rest_api_id
  resource_id         = each.value.resource_id
  http_method         = each.value.http_method
  status_code         = "204"
  response_parameters = { for field in keys(local.preflight) : field => true }
}

resource "aws_api_gateway_integration" "preflight" {
  for_each          = aws_api_gateway_method.preflight
  rest_api_id       = each.value.rest_api_id
  resource_id       = each.value.resource_id
  http_method       = each.value.http_method
  type              = "MOCK"
  request_templates = { "application/json" = jsonencode({ statusCode = 204 }) }
}

resource "aws_api_gateway_integration_response" "preflight" {
  for_each            = aws_api_gateway_method_response.preflight
  rest_api_id         = each.value.rest_api_id
  resource_id         = each.value.resource_id
  http_method         = each.value.http_method
  status_code         = each.value.status_code
  response_parameters = local.preflight
  depends_on          = [aws_api_gateway_integration.preflight]
}
