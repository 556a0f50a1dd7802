output "authorizer_id" {
  description = "For `authorizer_id` of your methods or routes, with the authorization type CUSTOM"
  value       = local.authorizer_id
}

output "redeploy" {
  description = "Changes when a deployment of a REST API is out of date; for `triggers` of aws_api_gateway_deployment"
  value       = sha1(jsonencode([aws_api_gateway_gateway_response.answer, aws_api_gateway_authorizer.rest]))
}

output "function_name" {
  description = "The function's name"
  value       = aws_lambda_function.authorizer.function_name
}

output "role_name" {
  description = "The function's role, for kms:Decrypt on a key of yours"
  value       = aws_iam_role.authorizer.name
}
