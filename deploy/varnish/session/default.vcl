# A whole Varnish with phantomgate, to try and to start from. Written by `phantomgate init varnish`.
#     varnishd -F -n /tmp/varnish-phantomgate -a 127.0.0.1:8080 -f "$PWD/default.vcl" -p vcl_path="$PWD" \
#         -p http_req_hdr_len=16k -p http_resp_hdr_len=32k
# In a VCL that you already have, only the line marked with (*) is new.
vcl 4.1;

backend api {
    .host = "127.0.0.1";
    .port = "8000";
}

include "phantomgate.vcl"; # (*)

sub vcl_recv {
    set req.backend_hint = api;
    return (pass); # answers that are for one token alone aren't for a cache
}

sub vcl_backend_response {
    set beresp.uncacheable = true;
    return (deliver);
}
