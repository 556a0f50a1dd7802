-- A plugin as they are written: the token's JWT from a table, and then its claims parsed, on each request.
local records = require("records").records
local cjson = require("cjson.safe")
local b64 = require("ngx.base64")
local ngx = ngx

local function part(text)
  local json = b64.decode_base64url(text)
  return json and cjson.decode(json)
end

local field = ngx.req.get_headers()["authorization"]
if type(field) ~= "string" or field:sub(1, 7) ~= "Bearer " then return ngx.exit(401) end
local record = records[field:sub(8)]
if not record then return ngx.exit(401) end
local head, body = record[3]:match("^Bearer ([^.]+)%.([^.]+)%.[^.]+$")
local header, claims = part(head), part(body)
if not header or header.alg == "none" or not claims then return ngx.exit(401) end
if claims.exp <= ngx.time() or claims.nbf > ngx.time() then return ngx.exit(401) end
local granted = {}
for word in claims.scope:gmatch("%S+") do granted[word] = true end
if not granted["read"] or not granted["orders:read"] then return ngx.exit(403) end
ngx.var.phantomgate_authorization = record[3]
ngx.var.phantomgate_claim_x_user = claims.sub
