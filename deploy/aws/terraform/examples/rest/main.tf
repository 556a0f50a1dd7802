# A REST API that passes every path on, with the JWT in the place of the token (docs/how-to/aws-terraform.md).

resource "aws_api_gateway_rest_api" "api" {
  name = var.name
  endpoint_configuration {
    types = ["REGIONAL"]
  }
  lifecycle {
    create_before_destroy = true
  }
}

module "phantomgate" {
  source                 = "../.."
  api_type               = var.api_type
  api_id                 = aws_api_gateway_rest_api.api.id
  api_execution_arn      = aws_api_gateway_rest_api.api.execution_arn
  name                   = "${var.name}-authorizer"
  zip_file               = var.zip_file
  introspection_endpoint = var.introspection_endpoint
  client_id              = var.client_id
  client_secret_arn      = var.client_secret_arn
  scopes                 = var.scopes
  cache_ttl              = var.cache_ttl
  web_origin             = var.web_origin
  alarm_topic_arn        = var.alarm_topic_arn
}

resource "aws_api_gateway_resource" "below" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_rest_api.api.root_resource_id
  path_part   = "{proxy+}"
}

locals {
  paths = {
    root  = { resource = aws_api_gateway_rest_api.api.root_resource_id, url = "${var.upstream_url}/", named = [] }
    below = { resource = aws_api_gateway_resource.below.id, url = "${var.upstream_url}/{proxy}", named = ["proxy"] }
  }
}

resource "aws_api_gateway_method" "any" {
  for_each           = local.paths
  rest_api_id        = aws_api_gateway_rest_api.api.id
  resource_id        = each.value.resource
  http_method        = "ANY"
  authorization      = "CUSTOM"
  authorizer_id      = module.phantomgate.authorizer_id
  request_parameters = { for name in each.value.named : "method.request.path.${name}" => true }
}

resource "aws_api_gateway_integration" "any" {
  for_each                = local.paths
  rest_api_id             = aws_api_gateway_rest_api.api.id
  resource_id             = each.value.resource
  http_method             = aws_api_gateway_method.any[each.key].http_method
  type                    = "HTTP_PROXY"
  integration_http_method = "ANY"
  uri                     = each.value.url
  passthrough_behavior    = "WHEN_NO_MATCH"
  request_parameters = merge(
    # the JWT in the place of the token; without this your API gets the opaque token
    { "integration.request.header.Authorization" = "context.authorizer.Authorization" },
    { for name in each.value.named : "integration.request.path.${name}" => "method.request.path.${name}" },
  )
}

resource "aws_api_gateway_deployment" "api" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  triggers = {
    changed = sha1(jsonencode([
      module.phantomgate.redeploy,
      aws_api_gateway_method.any, aws_api_gateway_integration.any,
      aws_api_gateway_method.preflight, aws_api_gateway_integration.preflight,
      aws_api_gateway_integration_response.preflight,
    ]))
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "api" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  deployment_id = aws_api_gateway_deployment.api.id
  stage_name    = "api"
}

output "api_url" {
  value = "${aws_api_gateway_stage.api.invoke_url}/"
}
