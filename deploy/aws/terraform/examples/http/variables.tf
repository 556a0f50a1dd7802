variable "name" {
  type    = string
  default = "orders"
}

variable "upstream_origin" {
  type        = string
  description = "Your API, its origin alone, such as https://orders.internal.example.com"
  validation {
    condition     = can(regex("^https?://[^/?#]+$", var.upstream_origin))
    error_message = "Want an origin, without a path."
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
