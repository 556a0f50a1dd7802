"""Templates that have nothing wrong with them, in each of the ways to write one, for tests to weaken."""

from __future__ import annotations

FUNCTION = """\
  Gate:
    Type: AWS::Lambda::Function
    Properties:
      Handler: phantomgate.aws.handler
      Runtime: python3.13
      Timeout: 10
      MemorySize: 256
      Environment:
        Variables:
          PHANTOMGATE__INTROSPECTION__ENDPOINT: https://as.example/introspect
          PHANTOMGATE__INTROSPECTION__CLIENT_ID: gateway
          PHANTOMGATE__INTROSPECTION__CLIENT_SECRET: aws-sm:gateway#client_secret
          PHANTOMGATE__POLICY__SCOPES: read
          PHANTOMGATE__AWS__CACHE_TTL: 60s
"""
ALLOWED = """\
  Allowed:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt Gate.Arn
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/authorizers/*
"""
REST = f"""\
Resources:
{FUNCTION}{ALLOWED}\
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: orders}}}}
  Orders:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: orders}}
  Order:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !Ref Orders, PathPart: "{{id}}"}}
  Live:
    Type: AWS::Lambda::Alias
    Properties: {{FunctionName: !Ref Gate, FunctionVersion: "1", Name: live}}
  Asking:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      RestApiId: !Ref Api
      Type: REQUEST
      AuthorizerUri: !Sub arn:aws:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{Live}}/invocations
      AuthorizerResultTtlInSeconds: 60
      IdentitySource: method.request.header.Authorization
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Order
      HttpMethod: GET
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Asking
      Integration:
        Type: HTTP_PROXY
        IntegrationHttpMethod: GET
        Uri: https://orders.example
        RequestParameters:
          integration.request.header.Authorization: context.authorizer.Authorization
  Unauthorized:
    Type: AWS::ApiGateway::GatewayResponse
    Properties:
      RestApiId: !Ref Api
      ResponseType: UNAUTHORIZED
      ResponseParameters: {{gatewayresponse.header.WWW-Authenticate: "'Bearer'"}}
  Failure:
    Type: AWS::ApiGateway::GatewayResponse
    Properties: {{RestApiId: !Ref Api, ResponseType: AUTHORIZER_FAILURE, StatusCode: 503}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {{RestApiId: !Ref Api, AccessLogSetting: {{Format: "$context.requestId"}}}}
"""
HTTP = f"""\
Resources:
{FUNCTION}{ALLOWED}\
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{Name: orders, ProtocolType: HTTP}}}}
  Asking:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      AuthorizerType: REQUEST
      AuthorizerUri: !Join [/, [arn:aws:apigateway:eu-west-1:lambda:path/functions, !GetAtt Gate.Arn, invocations]]
      AuthorizerPayloadFormatVersion: "2.0"
      EnableSimpleResponses: true
      AuthorizerResultTtlInSeconds: 60
      IdentitySource: [$request.header.Authorization]
  Leads:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: HTTP_PROXY
      RequestParameters: {{overwrite:header.X-Access-Token: $context.authorizer.Authorization}}
  Accounts:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      {{ApiId: !Ref Api, RouteKey: GET /v1/accounts, AuthorizationType: CUSTOM, AuthorizerId: !Ref Asking,
       Target: !Sub "integrations/${{Leads}}"}}
  Default:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      {{ApiId: !Ref Api, RouteKey: $default, AuthorizationType: CUSTOM, AuthorizerId: !Ref Asking,
       Target: !Sub "integrations/${{Leads}}"}}
"""
WEBSOCKET = f"""\
Resources:
{FUNCTION}{ALLOWED}\
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{Name: orders, ProtocolType: WEBSOCKET}}}}
  Asking:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      AuthorizerType: REQUEST
      AuthorizerUri: !Sub arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${{Gate.Arn}}/invocations
      IdentitySource: [route.request.header.Authorization]
  Connect:
    Type: AWS::ApiGatewayV2::Route
    Properties: {{ApiId: !Ref Api, RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: !Ref Asking}}
  Message:
    Type: AWS::ApiGatewayV2::Route
    Properties: {{ApiId: !Ref Api, RouteKey: $default}}
"""
SWAGGER = f"""\
Resources:
{FUNCTION}{ALLOWED}\
  Pool: {{Type: AWS::ApiGateway::Authorizer, Properties: {{RestApiId: !Ref Api, Type: COGNITO_USER_POOLS}}}}
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Body:
        swagger: "2.0"
        securityDefinitions:
          Gate:
            type: apiKey
            name: Authorization
            in: header
            x-amazon-apigateway-authtype: custom
            x-amazon-apigateway-authorizer:
              type: token
              authorizerUri: !Sub arn:aws:apigateway:eu-west-1:lambda:path/functions/${{Gate.Arn}}/invocations
              authorizerResultTtlInSeconds: 60
              identitySource: method.request.header.Authorization
              identityValidationExpression: "^[Bb]earer [A-Za-z0-9._~+/=-]+$"
          Users: {{type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: cognito_user_pools}}
        security: [Gate: []]
        paths:
          /orders:
            parameters: []
            get:
              x-amazon-apigateway-integration:
                type: http
                requestParameters: {{integration.request.header.Authorization: context.authorizer.Authorization,
                                    integration.request.path.id: method.request.path.id,
                                    integration.request.header.X-None: !Ref "AWS::NoValue"}}
            put: {{security: [Users: []], x-amazon-apigateway-integration: {{type: mock}}}}
            options: {{security: [], x-amazon-apigateway-integration: {{type: mock}}}}
        x-amazon-apigateway-gateway-responses:
          UNAUTHORIZED: {{responseParameters: {{gatewayresponse.header.WWW-Authenticate: "'Bearer'"}}}}
          AUTHORIZER_FAILURE: {{statusCode: "503", responseTemplates: {{application/json: "{{}}"}}}}
"""
EVENTS = f"""\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {{Timeout: 10, MemorySize: 256, Runtime: python3.13}}
  HttpApi:
    Auth:
      DefaultAuthorizer: Gate
      Authorizers:
        Gate:
          FunctionArn: !GetAtt Gate.Arn
          AuthorizerPayloadFormatVersion: "2.0"
          EnableSimpleResponses: true
          EnableFunctionDefaultPermissions: true
          Identity: {{Headers: [Authorization], ReauthorizeEvery: 60}}
Resources:
{FUNCTION.replace("AWS::Lambda::Function", "AWS::Serverless::Function")}
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Handler: orders.handler
      Events:
        List: {{Type: HttpApi, Properties: {{Path: /orders, Method: get}}}}
        Any: {{Type: HttpApi}}
        Timer: {{Type: Schedule, Properties: {{Schedule: rate(1 day)}}}}
"""
SAM_SOCKET = f"""\
Transform: AWS::Serverless-2016-10-31
Resources:
{FUNCTION.replace("AWS::Lambda::Function", "AWS::Serverless::Function")}\
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      Auth: {{AuthType: CUSTOM, AuthArn: !GetAtt Gate.Arn, IdentitySource: [route.request.header.Authorization]}}
      Routes: {{$connect: {{FunctionArn: !Ref Chat}}}}
"""
OF_APPSYNC = """\
  Allowed:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt Gate.Arn
      Principal: appsync.amazonaws.com
      SourceArn: !Sub arn:aws:appsync:${AWS::Region}:${AWS::AccountId}:apis/${Api.ApiId}
"""
ASKING = """\
          AuthorizerUri: !GetAtt Gate.Arn
          AuthorizerResultTtlInSeconds: 60
          IdentityValidationExpression: "^([Bb][Ee][Aa][Rr][Ee][Rr] +)?[A-Za-z0-9._~+/=-]{8,2048}$"
"""
GRAPHQL = f"""\
Resources:
{FUNCTION}{OF_APPSYNC}\
  Api:
    Type: AWS::AppSync::GraphQLApi
    Properties:
      Name: orders
      AuthenticationType: AWS_LAMBDA
      LambdaAuthorizerConfig:
{ASKING}"""
GRAPHQL_SAM = f"""\
Transform: AWS::Serverless-2016-10-31
Resources:
{FUNCTION}\
  Api:
    Type: AWS::Serverless::GraphQLApi
    Properties:
      SchemaInline: "type Query {{ orders: String }}"
      Auth:
        Type: AWS_LAMBDA
        LambdaAuthorizer:
{ASKING}"""
EVENT_API = f"""\
Resources:
{FUNCTION}{OF_APPSYNC}\
  Api:
    Type: AWS::AppSync::Api
    Properties:
      Name: orders
      EventConfig:
        AuthProviders:
        - AuthType: AWS_LAMBDA
          LambdaAuthorizerConfig:
{ASKING.replace("          ", "            ")}\
        ConnectionAuthModes: [{{AuthType: AWS_LAMBDA}}]
        DefaultPublishAuthModes: [{{AuthType: AWS_LAMBDA}}]
        DefaultSubscribeAuthModes: [{{AuthType: AWS_LAMBDA}}]
"""
