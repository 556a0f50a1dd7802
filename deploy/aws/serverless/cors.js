// CORS as ALLOW_METHODS, ALLOW_HEADERS, EXPOSE_HEADERS and CORS_MAX_AGE say, for preflights and for what API Gateway
// answers by itself: 401, 403, 503 and all others. Without it there, a page can't tell "log in again" from "forbidden".
'use strict'

const list = (name, otherwise = '') =>
  (process.env[name] || otherwise).split(',').map((item) => item.trim()).filter(Boolean)

// What ends up between the quotes of a fixed value: no quote of its own, and never every origin, which browsers refuse
// together with cookies.
function plain(name, items, form) {
  const wrong = items.find((item) => !form.test(item))
  if (wrong !== undefined) throw new Error(`${name} has ${JSON.stringify(wrong)}, want ${form}`)
  return items
}

const TOKEN = /^[A-Za-z0-9_-]+$/
const origins = () => {
  const found = plain('TRUSTED_WEB_ORIGINS', list('TRUSTED_WEB_ORIGINS'), /^https?:\/\/[a-z0-9.-]+(:[0-9]+)?$/)
  if (!found.length) throw new Error('TRUSTED_WEB_ORIGINS is missing; write the origin of your page')
  return found
}
const methods = () => plain('ALLOW_METHODS', list('ALLOW_METHODS', 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS'), TOKEN)
const exposed = () => plain('EXPOSE_HEADERS', list('EXPOSE_HEADERS'), TOKEN)

function headers() {
  const csrf = `x-${process.env.COOKIE_NAME_PREFIX}-csrf`.toLowerCase()
  const said = plain('ALLOW_HEADERS', list('ALLOW_HEADERS', 'Accept,Content-Type'), TOKEN)
  return said.some((name) => name.toLowerCase() === csrf) ? said : [...said, csrf]
}

function maxAge() {
  const seconds = Number(process.env.CORS_MAX_AGE || 86400)
  if (!Number.isInteger(seconds)) throw new Error('CORS_MAX_AGE is no number of seconds')
  return Math.max(1, seconds) // 0 and -1 are for "don't remember it", and Serverless takes nothing below 1
}

module.exports.preflight = () => ({
  origins: origins(),
  methods: methods(),
  headers: headers(),
  allowCredentials: true,
  maxAge: maxAge(),
})

// API Gateway's own answers can't choose among origins, and an echo would tell every page. The first is told.
module.exports.gatewayResponses = () => {
  const at = 'gatewayresponse.header.'
  const cors = {
    [`${at}Access-Control-Allow-Origin`]: `'${origins()[0]}'`,
    [`${at}Access-Control-Allow-Credentials`]: "'true'",
    [`${at}Cache-Control`]: "'no-store'",
    [`${at}Vary`]: "'Origin'",
  }
  if (exposed().length) cors[`${at}Access-Control-Expose-Headers`] = `'${exposed().join(',')}'`
  const response = (type, status, error, more = {}) => ({
    Type: 'AWS::ApiGateway::GatewayResponse',
    Properties: {
      RestApiId: { Ref: 'ApiGatewayRestApi' },
      ResponseType: type,
      ...(status && { StatusCode: status }),
      ResponseParameters: { ...cors, ...more },
      ...(error && { ResponseTemplates: { 'application/json': JSON.stringify({ error }) } }),
    },
  })
  const challenge = { [`${at}WWW-Authenticate`]: "'Bearer realm=\"api\"'" }
  const later = { [`${at}Retry-After`]: "'5'" }
  return {
    Answers4xx: response('DEFAULT_4XX'),
    Answers5xx: response('DEFAULT_5XX'),
    Unauthorized: response('UNAUTHORIZED', '401', 'invalid_token', challenge),
    AccessDenied: response('ACCESS_DENIED', '403', 'forbidden'),
    AuthorizerFailure: response('AUTHORIZER_FAILURE', '503', 'temporarily_unavailable', later),
    AuthorizerConfiguration: response('AUTHORIZER_CONFIGURATION_ERROR', '503', 'temporarily_unavailable', later),
  }
}
