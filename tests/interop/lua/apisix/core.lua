-- APISIX's core, as much of it as our functions call, on the ngx_lua that APISIX itself runs on.
return {
    request = {
        set_header = function(_, name, value)
            if value == nil then
                ngx.req.clear_header(name)
            else
                ngx.req.set_header(name, value)
            end
        end,
    },
}
