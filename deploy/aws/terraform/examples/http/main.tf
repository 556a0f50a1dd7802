# An HTTP API, which can't map Authorization: your API gets the JWT as X-Access-Token (docs/how-to/aws-terraform.md).

resource "aws_apigatewayv2_api" "api" {
  name          = var.name
  protocol_type = "HTTP"
  cors_configuration {
    allow_origins = [var.web_origin]
    allow_methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    allow_headers = ["authorization", "content-type"]
    max_age       = 3600
  }
}

module "phantomgate" {
  source                 = "../.."
  api_type               = "http"
  api_id                 = aws_apigatewayv2_api.api.id
  api_execution_arn      = aws_apigatewayv2_api.api.execution_arn
  name                   = "${var.name}-authorizer"
  zip_file               = var.zip_file
  introspection_endpoint = var.introspection_endpoint
  client_id              = var.client_id
  client_secret_arn      = var.client_secret_arn
  scopes                 = var.scopes
  cache_ttl              = var.cache_ttl
  alarm_topic_arn        = var.alarm_topic_arn
}

# Each route that you add needs the authorizer as well: AWS finds /orders/ by another than /orders.
resource "aws_apigatewayv2_route" "all" {
  api_id             = aws_apigatewayv2_api.api.id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.decided.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.phantomgate.authorizer_id
}

resource "aws_apigatewayv2_integration" "decided" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "HTTP_PROXY"
  integration_method     = "ANY"
  integration_uri        = var.upstream_origin
  payload_format_version = "1.0"
  request_parameters = {
    "overwrite:header.X-Access-Token" = "$context.authorizer.Authorization" # replaces what a client sent under this name
    "overwrite:path"                  = "$request.path"
  }
}

# AWS answers preflights, but $default would ask them for a token. Other OPTIONS get there, with no token to believe.
resource "aws_apigatewayv2_route" "options" {
  #checkov:skip=CKV_AWS_309:A preflight has no token, and what else gets there has lost its X-Access-Token
  for_each  = toset(["/", "/{proxy+}"])
  api_id    = aws_apigatewayv2_api.api.id
  route_key = "OPTIONS ${each.key}"
  target    = "integrations/${aws_apigatewayv2_integration.undecided.id}"
}

resource "aws_apigatewayv2_integration" "undecided" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "HTTP_PROXY"
  integration_method     = "OPTIONS"
  integration_uri        = var.upstream_origin
  payload_format_version = "1.0"
  request_parameters = {
    "remove:header.X-Access-Token" = "''"
    "overwrite:path"               = "$request.path"
  }
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true
}

output "api_url" {
  value = "${aws_apigatewayv2_api.api.api_endpoint}/"
}
