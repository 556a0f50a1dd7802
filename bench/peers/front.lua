-- The decision of decide.lua in nginx's access phase: the request goes on with its JWT, or is refused here.
local records = require("records").records
local ngx = ngx

local field = ngx.var.http_authorization
if not field or field:sub(1, 7) ~= "Bearer " then return ngx.exit(401) end
local record = records[field:sub(8)]
if not record or record[1] <= ngx.time() then return ngx.exit(401) end
if not record[2]["orders:read"] then return ngx.exit(403) end
ngx.var.phantomgate_authorization = record[3]
ngx.var.phantomgate_claim_x_user = record[4]
