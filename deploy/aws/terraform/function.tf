# The function, its log and its role.

locals {
  cache_ttl = var.api_type == "websocket" ? 0 : var.cache_ttl # of a WebSocket API each connection is asked about
}

resource "aws_lambda_function" "authorizer" {
  function_name    = var.name
  description      = "phantomgate, an authorizer that turns opaque tokens into JWTs"
  filename         = var.zip_file
  source_code_hash = filebase64sha256(var.zip_file)
  handler          = "phantomgate.aws.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  memory_size      = 256
  timeout          = 10
  role             = aws_iam_role.authorizer.arn

  logging_config {
    log_format = "Text" # a line is JSON already
    log_group  = aws_cloudwatch_log_group.authorizer.name
  }

  environment {
    variables = merge({
      PHANTOMGATE__INTROSPECTION__ENDPOINT      = var.introspection_endpoint
      PHANTOMGATE__INTROSPECTION__CLIENT_ID     = var.client_id
      PHANTOMGATE__INTROSPECTION__CLIENT_SECRET = "aws-sm:${var.client_secret_arn}#client_secret"
      PHANTOMGATE__POLICY__SCOPES               = join(",", var.scopes)
      PHANTOMGATE__AWS__CACHE_TTL               = "${local.cache_ttl}s"
      SSL_CERT_DIR                              = "/var/task/ca"
      SSL_CERT_FILE                             = "/var/task/ca/none" # not there: the runtime's bundle costs a cold start 16 ms
    }, var.environment)
  }
}

resource "aws_cloudwatch_log_group" "authorizer" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 30
}

resource "aws_iam_role" "authorizer" {
  name_prefix = "${substr(var.name, 0, 37)}-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# Its own log and the one secret; a secret with a key of yours needs kms:Decrypt on that key too.
resource "aws_iam_role_policy" "authorizer" {
  name = "authorizer"
  role = aws_iam_role.authorizer.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.authorizer.arn}:*" # its streams
      },
      {
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = var.client_secret_arn
      },
    ]
  })
}
