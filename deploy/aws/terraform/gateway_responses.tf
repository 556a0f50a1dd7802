# What clients of a REST API see of refusals and of trouble. An HTTP API has none: AWS decides.

locals {
  cors = {
    "gatewayresponse.header.Access-Control-Allow-Origin" = "'${var.web_origin}'"
    "gatewayresponse.header.Vary"                        = "'Origin'"
  }
  challenge = {
    for error in ["invalid_token", "insufficient_scope"] : error => {
      "gatewayresponse.header.Access-Control-Expose-Headers" = "'WWW-Authenticate'"
      "gatewayresponse.header.WWW-Authenticate"              = "'Bearer realm=\"api\", error=\"${error}\"'"
    }
  }
  later = {
    "gatewayresponse.header.Access-Control-Expose-Headers" = "'Retry-After'"
    "gatewayresponse.header.Retry-After"                   = "'5'"
  }
  gateway_responses = {
    UNAUTHORIZED                   = { status = "401", error = "invalid_token", fields = local.challenge["invalid_token"] }
    ACCESS_DENIED                  = { status = "403", error = "insufficient_scope", fields = local.challenge["insufficient_scope"] }
    AUTHORIZER_FAILURE             = { status = "503", error = "temporarily_unavailable", fields = local.later }
    AUTHORIZER_CONFIGURATION_ERROR = { status = "500", error = "server_error", fields = {} }
    DEFAULT_4XX                    = { status = null, error = "", fields = {} }
    DEFAULT_5XX                    = { status = null, error = "", fields = {} }
  }
}

resource "aws_api_gateway_gateway_response" "answer" {
  for_each            = { for kind, one in local.gateway_responses : kind => one if local.rest }
  rest_api_id         = var.api_id
  response_type       = each.key
  status_code         = each.value.status
  response_parameters = merge(local.cors, each.value.fields)
  response_templates  = each.value.error == "" ? null : { "application/json" = "{\"error\":\"${each.value.error}\"}" }
}
