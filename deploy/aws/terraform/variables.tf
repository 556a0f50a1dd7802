variable "api_type" {
  type        = string
  description = "What takes the authorizer: rest-token, rest-request, http or websocket"
  validation {
    condition     = contains(["rest-token", "rest-request", "http", "websocket"], var.api_type)
    error_message = "Want rest-token, rest-request, http or websocket."
  }
}

variable "api_id" {
  type        = string
  description = "The id of your API"
}

variable "api_execution_arn" {
  type        = string
  description = "The execution_arn of your API; only its authorizer may invoke the function"
}

variable "name" {
  type        = string
  description = "The function's name, and what the names of its role, its log and its alarms begin with"
  default     = "phantomgate"
}

variable "zip_file" {
  type        = string
  description = "What `phantomgate package --python 3.13 --arch arm64` wrote"
}

variable "introspection_endpoint" {
  type        = string
  description = "Where the authorization server introspects, such as https://login.example.com/oauth/v2/oauth-introspect"
  validation {
    condition     = startswith(var.introspection_endpoint, "https://")
    error_message = "Want an https URL."
  }
}

variable "client_id" {
  type        = string
  description = "Our client at the authorization server"
}

variable "client_secret_arn" {
  type        = string
  description = "The ARN of the secret in Secrets Manager, a JSON object whose member client_secret is ours"
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", var.client_secret_arn))
    error_message = "Want the whole ARN of one secret."
  }
}

variable "scopes" {
  type        = list(string)
  description = "The scopes that every token must have"
  default     = ["read"]
}

variable "cache_ttl" {
  type        = number
  description = "Seconds for which API Gateway remembers an answer; the authorizer and the function are told the same. WebSocket APIs remember none"
  default     = 300
  validation {
    condition     = var.cache_ttl >= 0 && var.cache_ttl <= 3600 && floor(var.cache_ttl) == var.cache_ttl
    error_message = "Want whole seconds from 0 to 3600."
  }
}

variable "web_origin" {
  type        = string
  description = "The origin whose pages may read API Gateway's own answers (REST APIs)"
  default     = "https://www.example.com"
  validation {
    condition     = can(regex("^https?://[^/'\"[:space:]]+$", var.web_origin))
    error_message = "Want an origin such as https://www.example.com."
  }
}

variable "environment" {
  type        = map(string)
  description = "More settings of the function"
  default     = {}
}

variable "alarm_topic_arn" {
  type        = string
  description = "The SNS topic that alarms go to; empty, and they are in the console only"
  default     = ""
}
