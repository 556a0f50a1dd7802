-- Looks a token up, checks its time and one scope, answers as a decision service does for auth_request.
local records = require("records").records
local ngx = ngx

local function refuse(status, challenge)
  ngx.header["WWW-Authenticate"] = challenge
  return ngx.exit(status)
end

local field = ngx.var.http_authorization
if not field then return refuse(401, 'Bearer realm="api"') end
if field:sub(1, 7) ~= "Bearer " then return refuse(401, 'Bearer realm="api"') end
local record = records[field:sub(8)]
local now = ngx.time()
if not record or record[1] <= now then return refuse(401, 'Bearer realm="api", error="invalid_token"') end
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
