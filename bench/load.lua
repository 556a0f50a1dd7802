-- wrk -s load.lua URL -- MODE WHAT PATH "Name: value" ...
--
-- rotate FILE: one token of the file after the other, with a stride that has no factor in common with a power of ten, so
--              that a million tokens are a million cold records. Small sets are built ahead, big ones as they are sent.
-- fresh SEED:  every request carries a token that nobody has seen: SEED (8 hexadecimal digits, new each run), a counter.
local requests, tokens, head, seed, count
local at = 0

function init(args)
  head = "GET " .. args[3] .. " HTTP/1.1\r\n"
  for i = 4, #args do head = head .. args[i] .. "\r\n" end
  head = head .. "Authorization: Bearer "
  if args[1] == "fresh" then seed = "_0XBPWQQ_" .. args[2] return end
  tokens = {}
  for line in io.lines(args[2]) do tokens[#tokens + 1] = line end
  count = #tokens
  if count <= 10000 then
    requests = {}
    for i = 1, count do requests[i] = head .. tokens[i] .. "\r\n\r\n" end
  end
end

function request()
  if seed then
    at = at + 1
    return string.format("%s%s%08x%08x%08x\r\n\r\n", head, seed, at, at * 40503 % 4294967296, at * 2654435 % 4294967296)
  end
  at = (at + 618033) % count
  return requests and requests[at + 1] or head .. tokens[at + 1] .. "\r\n\r\n"
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "status": %d, "socket": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
