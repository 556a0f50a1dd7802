-- token -> {expires_at, scopes, "Bearer " .. jwt, sub}. Sets of scopes are shared, since most tokens have the same.
local records, sets = {}, {}

local function scope_set(scope)
  local set = sets[scope]
  if not set then
    set = {}
    for word in scope:gmatch("%S+") do set[word] = true end
    sets[scope] = set
  end
  return set
end

local function add(token, sub, expires_at, scope, jwt)
  records[token] = { expires_at, scope_set(scope), "Bearer " .. jwt, sub }
  return records[token]
end

local function load(path)
  for line in io.lines(path) do
    local token, sub, expires_at, jwt = line:match("^(%S+) (%S+) (%S+) (%S+)$")
    add(token, sub, tonumber(expires_at), "openid profile read orders:read orders:write", jwt)
  end
end

return { records = records, load = load, add = add }
