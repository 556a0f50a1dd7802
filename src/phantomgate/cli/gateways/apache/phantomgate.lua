-- phantomgate behind Apache. Written by `phantomgate init apache`; write it again when the settings change.
-- May this request pass? Whatever goes wrong here, Apache answers 500 or what is said below, and the API hears nothing.

local http = require "socket.http"
local ltn12 = require "ltn12"

local DECISION = "http://@listen@"
http.TIMEOUT = @seconds@

-- What is judged, besides method and path.
local JUDGED = { @judged@ }
-- What a client may not say about itself.
local DROPPED = {
    @dropped@
}
-- What phantomgate says about the user.
local CLAIMS = { @claims@ }
-- What the client is told.
local TOLD = { @told@ }
local REFUSALS = { [400] = true, [401] = true, [403] = true, [500] = true, [502] = true, [503] = true }

local function ask(r, method, path, headers)
    headers["X-Forwarded-Method"] = r.method
    headers["X-Forwarded-Uri"] = r.unparsed_uri
    local body = {}
    local ok, status, fields = http.request {
        url = DECISION .. path, method = method, headers = headers, sink = ltn12.sink.table(body), redirect = false,
    }
    if not ok then
        return 503, {}, ""
    end
    return status, fields, table.concat(body)
end

local function tell(r, fields)
    for _, name in ipairs(TOLD) do
        if fields[name] then
            r.err_headers_out[name] = fields[name]
        end
    end
end

local function answer(r, status, fields, body)
    tell(r, fields)
    r.status = status
    r.content_type = fields["content-type"] or "text/plain"
    r:puts(body)
    return apache2.DONE
end

function judge(r)
    -- TRACE has the API say back what it got, the JWT too, and CONNECT is a tunnel.
    if r.method == "TRACE" or r.method == "CONNECT" then
        return 405
    end
    local given = r.headers_in
    local question = {}
    for _, name in ipairs(JUDGED) do
        question[name] = given[name]
    end
%cors     if r.method == "OPTIONS" and given["Origin"] and given["Access-Control-Request-Method"] then
%cors         -- May a page send such a request at all? phantomgate knows, and its answer is the browser's.
%cors         local status, fields, body = ask(r, "OPTIONS", "/preflight", {
%cors             Origin = given["Origin"],
%cors             ["Access-Control-Request-Method"] = given["Access-Control-Request-Method"],
%cors         })
%cors         return answer(r, status, fields, body)
%cors     end
    local status, fields, body = ask(r, "GET", "/decide", question)
    if status ~= 200 then
        return answer(r, REFUSALS[status] and status or 502, fields, REFUSALS[status] and body or "")
    end
    local jwt = fields["authorization"]
    if not jwt or not jwt:match("^Bearer [%w_-]+%.[%w_-]+%.[%w_-]+$") then
        return answer(r, 502, {}, "")
    end

    -- Every spelling that some server takes for another goes.
    for name in pairs(r:headers_in_table()) do
        if name:find("[^%w-]") then
            given[name] = nil
        end
    end
    for _, name in ipairs(DROPPED) do
        given[name] = nil
    end
    -- A client names a field in `Connection`, and Apache drops it, what phantomgate said in it too; and any upgrade but
    -- to WebSocket would be a tunnel of requests that nobody judges.
    if (given["Upgrade"] or ""):lower() == "websocket" then
        given["Connection"] = "Upgrade"
    else
        given["Upgrade"] = nil
        given["Connection"] = (given["Connection"] or ""):lower():find("close") and "close" or nil
    end
    given["X-Forwarded-Proto"] = r.is_https and "https" or "http"

    -- Replaced by what phantomgate says: the client's token never goes upstream.
    given["Authorization"] = jwt
    for _, name in ipairs(CLAIMS) do
        given[name] = fields[name:lower()] or ""
    end
%session     given["Cookie"] = fields["cookie"]
%session     given["@csrf@"] = nil
%cors     tell(r, fields)
    r.subprocess_env["phantomgate_let_in"] = "1"
    return apache2.DECLINED
end
