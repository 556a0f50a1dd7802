variable "name" {
  type    = string
  default = "orders"
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

variable "alarm_topic_arn" {
  type    = string
  default = ""
}

variable "function_name" {
  type        = string
  description = "Your Lambda function, which gets $connect, $disconnect and $default"
}
