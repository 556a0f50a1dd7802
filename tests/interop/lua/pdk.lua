-- Kong's PDK, as much of it as our functions call, on the ngx_lua that Kong itself runs on.
local cjson = require "cjson"

local pdk = { request = {}, response = {}, service = { request = {} }, ctx = { shared = {} } }

pdk.request.get_headers = function(most) return ngx.req.get_headers(most) end
pdk.request.get_method = function() return ngx.req.get_method() end
pdk.request.get_path_with_query = function() return ngx.var.request_uri end
pdk.request.get_host = function() return ngx.var.host end
pdk.request.get_scheme = function() return ngx.var.scheme end
pdk.service.request.clear_header = function(name) ngx.req.clear_header(name) end
pdk.service.request.set_header = function(name, value) ngx.req.set_header(name, value) end

pdk.response.exit = function(status, body, headers)
    ngx.status = status
    for name, value in pairs(headers or {}) do
        ngx.header[name] = value
    end
    if type(body) == "table" then
        ngx.header["Content-Type"] = "application/json"
        body = cjson.encode(body)
    end
    ngx.print(body)
    return ngx.exit(status)
end

return pdk
