-- phantomgate behind HAProxy, 2 of 2. Written by `phantomgate init haproxy-lua`; write it again when the settings
-- change. It asks, and sets the variables that haproxy.cfg goes by; where anything goes wrong it sets no status, and
-- then nothing passes.

local DECISION = "http://@listen@"
-- For one try, and HAProxy 2.6 makes four: phantomgate itself says 503 when the authorization server takes longer than
-- [introspection] timeout, so this is for a phantomgate that hangs.
local MILLISECONDS = @milliseconds@
local SENT = { @sent@ }
local HEARD = { @heard@ }

-- Fields of one hop, which alone Connection may name: HAProxy drops what it names after phantomgate has judged it.
local OF_ONE_HOP = { [""] = true, ["close"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true,
    ["transfer-encoding"] = true, ["upgrade"] = true, ["http2-settings"] = true, ["proxy-connection"] = true }

local function all(headers, name)
    local values, found = {}, headers[name]
    local at = 0
    while found and found[at] do
        values[at + 1] = found[at]
        at = at + 1
    end
    return values
end

local function refuse(txn, status, code)
    txn:set_var("txn.pg.body", '{"error": "' .. code .. '"}')
    if status == 400 then
        txn:set_var("txn.pg.challenge", 'Bearer error="' .. code .. '"')
    end
    txn:set_var("txn.pg.status", status)
end

local function decide(txn)
    local headers = txn.http:req_get_headers()
    for _, value in ipairs(all(headers, "connection")) do
        for name in (value .. ","):gmatch("([^,]*),") do
            if not OF_ONE_HOP[name:match("^[ \t]*(.-)[ \t]*$"):lower()] then
                return refuse(txn, 400, "invalid_request")
            end
        end
    end
    for _, value in ipairs(all(headers, "upgrade")) do
        if value:lower():find("h2c", 1, true) then
            return refuse(txn, 403, "access_denied")
        end
    end
    local method = txn.sf:method()
    local asked = {
        ["x-forwarded-method"] = { method },
        ["x-forwarded-uri"] = { txn.sf:pathq() },
        ["x-forwarded-host"] = { txn.sf:req_fhdr("host") },
    }
    for _, name in ipairs(SENT) do
        local values = all(headers, name)
        if #values > 0 then
            asked[name] = values
        end
    end
    local url = DECISION .. "/decide"
%cors     if method == "OPTIONS" and asked["origin"] and asked["access-control-request-method"] then
%cors         url = DECISION .. "/preflight"
%cors     end
    local answer = core.httpclient():get{ url = url, headers = asked, timeout = MILLISECONDS }
    if not answer or not answer.headers then
        return
    end
    local kind = answer.headers["content-type"]
    if kind and kind[0]:find("text/html", 1, true) then
        return -- not phantomgate's words: HAProxy itself says so when nobody answers
    end
    for _, name in ipairs(HEARD) do
        local value = answer.headers[name] and answer.headers[name][0]
        if value then
            txn:set_var("txn.pg." .. name:gsub("-", "_"), value)
        end
    end
    if answer.status ~= 200 then
        txn:set_var("txn.pg.body", answer.body or "")
        for variable, name in pairs({ challenge = "www-authenticate", retry_after = "retry-after" }) do
            if answer.headers[name] then
                txn:set_var("txn.pg." .. variable, answer.headers[name][0])
            end
        end
    end
    txn:set_var("txn.pg.status", answer.status)
end

core.register_action("phantomgate", { "http-req" }, decide, 0)
