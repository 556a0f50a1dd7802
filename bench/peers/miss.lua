-- Introspects, keeps the answer in the table that decide.lua reads, and answers as decide.lua does. Claims are found by
-- pattern, which no product may do: Debian has no JSON for this Lua, and it makes the peer faster, not slower.
local records = require("records")
local ngx = ngx

local function refuse(status, challenge)
  ngx.header["WWW-Authenticate"] = challenge
  return ngx.exit(status)
end

local field = ngx.var.http_authorization
if not field or field:sub(1, 7) ~= "Bearer " then return refuse(401, 'Bearer realm="api"') end
local token = field:sub(8)
local now = ngx.time()
local record = records.records[token]
if not record or record[1] <= now then
  local body = "token=" .. ngx.escape_uri(token) .. "&token_type_hint=access_token"
  local answer = ngx.location.capture("/introspect", { method = ngx.HTTP_POST, body = body })
  if answer.status ~= 200 then return refuse(401, 'Bearer realm="api", error="invalid_token"') end
  local payload = answer.body:match("^[%w_-]+%.([%w_-]+)%.[%w_-]+$")
  local claims = payload and ngx.decode_base64((payload:gsub("-", "+"):gsub("_", "/")) .. ("="):rep(-#payload % 4))
  local expires_at = claims and tonumber(claims:match('"exp":(%d+)'))
  if not expires_at or expires_at <= now then return refuse(401, 'Bearer realm="api", error="invalid_token"') end
  record = records.add(token, claims:match('"sub":"([^"]+)"'), expires_at, claims:match('"scope":"([^"]+)"'), answer.body)
end
if not record[2]["orders:read"] then return refuse(403, 'Bearer realm="api", error="insufficient_scope"') end

local left = record[1] - now
if left > 300 then left = 300 end
local headers = ngx.header
headers["Authorization"] = record[3]
headers["X-User"] = record[4]
headers["X-Accel-Expires"] = left
headers["Cache-Control"] = "private, max-age=" .. left
headers["Content-Length"] = 0
return ngx.exit(200)
