-- The decision from a table inside HAProxy: the variables that phantomgate would have set, from what stands in a file.
package.path = os.getenv("BENCH_PEERS") .. "/?.lua;" .. package.path
local records = require("records")
records.load(os.getenv("BENCH_TABLE"))
local table = records.records

core.register_action("table", { "http-req" }, function(txn)
    local field = txn.sf:req_fhdr("authorization")
    local record = field:sub(1, 7) == "Bearer " and table[field:sub(8)]
    if not record or record[1] <= os.time() then
        return txn:set_var("txn.pg.status", 401)
    end
    if not record[2]["orders:read"] then
        return txn:set_var("txn.pg.status", 403)
    end
    txn:set_var("txn.pg.authorization", record[3])
    txn:set_var("txn.pg.x_user", record[4])
    txn:set_var("txn.pg.status", 200)
end, 0)
