variable "name" {
  type    = string
  default = "orders"
}

variable "api_type" {
  type        = string
  description = "rest-token, or rest-request where rules look at more than the token"
  default     = "rest-token"
}

variable "upstream_url" {
  type        = string
  description = "Your API, without a slash at the end, such as https://orders.internal.example.com"
  validation {
    condition     = can(regex("^https?://[^/?#]+(/[^?#]*[^/?#])?$", var.upstream_url))
    error_message = "Want a URL without a slash at the end."
  }
}

variable "zip_file" {
  type    = string
  default = "phantomgate-lambda.zip"
}

variable "introspection_endpoint" {
  type = string
}

variable "client_id" {
  type = string
}

variable "client_secret_arn" {
  type = string
}

variable "scopes" {
  type    = list(string)
  default = ["read"]
}

variable "cache_ttl" {
  type    = number
  default = 300
}

variable "web_origin" {
  type    = string
  default = "https://www.example.com"
}

variable "alarm_topic_arn" {
  type    = string
  default = ""
}
