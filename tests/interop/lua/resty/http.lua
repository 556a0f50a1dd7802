-- lua-resty-http's request_uri, as much of it as our function calls: one request on a connection of its own.
local http = {}
http.__index = http

function http.new()
    return setmetatable({ timeout = 1000 }, http)
end

function http:set_timeout(milliseconds)
    self.timeout = milliseconds
end

local function written(method, host, path, headers)
    local lines = { method .. " " .. path .. " HTTP/1.1", "Host: " .. host, "Connection: close" }
    for name, values in pairs(headers) do
        for _, value in ipairs(type(values) == "table" and values or { values }) do
            lines[#lines + 1] = name .. ": " .. tostring(value)
        end
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local any_case = { __index = function(fields, name) return rawget(fields, name:lower()) end }

local function read(socket)
    local line, no = socket:receive("*l")
    local status = line and line:match("^HTTP/1%.%d (%d%d%d)")
    if not status then
        return nil, no or "no status"
    end
    local headers = setmetatable({}, any_case)
    while true do
        line, no = socket:receive("*l")
        if not line then
            return nil, no
        end
        local name, value = line:match("^(%S+):%s*(.*)$")
        if not name then
            break
        end
        name = name:lower()
        local known = rawget(headers, name)
        headers[name] = known and { known, value } or value
    end
    local body
    body, no = socket:receive(tonumber(headers["Content-Length"]) or "*a")
    if not body then
        return nil, no
    end
    return { status = tonumber(status), headers = headers, body = body }
end

function http:request_uri(uri, asked)
    local host, port, path = uri:match("^http://([^:/]+):(%d+)(/.*)$")
    local socket = ngx.socket.tcp()
    socket:settimeout(self.timeout)
    local ok, no = socket:connect(host, tonumber(port))
    if not ok then
        return nil, no
    end
    ok, no = socket:send(written(asked.method, host, path, asked.headers))
    if not ok then
        return nil, no
    end
    local answer
    answer, no = read(socket)
    socket:close()
    return answer, no
end

return http
