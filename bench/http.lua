-- wrk -s bench/http.lua URL -- DEPTH: so many requests in one write; one without it. Says at the end what it
-- measured as one line of JSON.

local all

init = function(args)
   local one = wrk.format("GET", "/")
   local depth = tonumber(args[1]) or 1
   all = string.rep(one, depth)
   if depth == 1 then
      request = nil -- wrk's own, which costs no call of Lua a request
   end
end

request = function()
   return all
end

done = function(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
