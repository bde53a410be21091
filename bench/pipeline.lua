-- Sixteen requests in one write, as deep as wrk's own example of pipelining goes.
init = function(args)
   local one, all = wrk.format("GET", "/"), {}
   for at = 1, 16 do
      all[at] = one
   end
   request_all = table.concat(all)
end

request = function()
   return request_all
end
