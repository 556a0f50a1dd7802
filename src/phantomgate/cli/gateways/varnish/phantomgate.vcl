# phantomgate behind Varnish. Written by `phantomgate init varnish`; write it again when the settings change.
# Include this before your own subroutines: they see only requests that were let in, with the JWT.
# Varnish needs room for tokens and JWTs:  -p http_req_hdr_len=16k -p http_resp_hdr_len=32k

import std;

backend phantomgate {
    @decision@
    .connect_timeout = 1s;
    .first_byte_timeout = @timeout@;
    .between_bytes_timeout = @timeout@;
}

sub vcl_recv {
    # A request comes here twice: to be judged, and, when it was let in, to go where it wants.
    if (req.restarts == 0) {
        # TRACE has the API say back what it got, the JWT too, and CONNECT is a tunnel.
        if (req.method == "TRACE" || req.method == "CONNECT") {
            return (synth(405));
        }
        # A Host that is more than a name: whoever puts a URL together of it finds another path there than was judged.
        if (req.http.Host ~ "[^A-Za-z0-9._:\[\]-]") {
            return (synth(400));
        }
        # Our own notes, which no client may write.
        @forget@
        # What a client may not say about itself goes, in every spelling that some server takes for it.
        @clean@
        # A client names a field in `Connection`, and a hop drops it, what phantomgate said in it too.
        if (req.http.Upgrade ~ "(?i)^websocket$") {
%no_websocket             # Varnish opens the tunnel before the API has said 101. `phantomgate init varnish --websocket`, where the API
%no_websocket             # obeys `Connection: close` when it declines.
%no_websocket             return (synth(501, "WebSocket Not Enabled"));
%websocket             set req.http.Connection = "Upgrade";
%websocket             set req.http.Upgrade = "websocket";
%websocket             if (req.http.Transfer-Encoding || req.http.Content-Length ~ "[^0]") {
%websocket                 return (synth(400));
%websocket             }
        } else {
            unset req.http.Connection;
            unset req.http.Upgrade;
            # The body is needed when the request was let in; larger ones are refused.
            if (!std.cache_req_body(@body@)) {
                return (synth(413));
            }
        }
        # Where the request came from is what Varnish saw.
        set req.http.X-Forwarded-For = client.ip;
        unset req.http.scheme; # what HTTP/2 has beside it
        unset req.http.X-Forwarded-Host;
        unset req.http.X-Forwarded-Proto;
        unset req.http.X-Forwarded-Port;
        unset req.http.X-Real-IP;

        set req.http.X-Phantomgate-Asked = "1";
        set req.http.X-Forwarded-Method = req.method;
        set req.http.X-Forwarded-Uri = req.url;
        set req.backend_hint = phantomgate;
%cors         if (req.method == "OPTIONS" && req.http.Origin && req.http.Access-Control-Request-Method) {
%cors             # May a page send such a request at all? phantomgate knows, and its answer is the browser's.
%cors             set req.http.X-Phantomgate-Asked = "preflight";
%cors             set req.url = "/preflight";
%cors             unset req.http.Authorization;
%cors             unset req.http.Cookie;
%cors             return (pass);
%cors         }
        set req.url = "/decide";
        set req.method = "GET";
        return (pass);
    }
    if (!req.http.X-Phantomgate-JWT) {
        return (synth(503));
    }
%no_websocket     # From here on it is yours: say where it goes (req.backend_hint), and never `return (pipe)`.
%websocket     # From here on it is yours: say where it goes (req.backend_hint), and `return (pipe)` for WebSocket alone.
    if (req.http.X-Phantomgate-Asked) {
        unset req.http.X-Phantomgate-Asked;
        set req.method = req.http.X-Forwarded-Method;
        set req.url = req.http.X-Forwarded-Uri;
        unset req.http.X-Forwarded-Method;
        unset req.http.X-Forwarded-Uri;
        # Replaced by what phantomgate says: the client's token never goes upstream.
        set req.http.Authorization = req.http.X-Phantomgate-JWT;
        @set_claims@
%session         set req.http.Cookie = req.http.X-Phantomgate-Cookie;
%session         unset req.http.X-Phantomgate-Cookie;
%session         unset req.http.@csrf@;
    }
}

sub vcl_pipe {
%no_websocket     # A tunnel of requests that nobody judges. Varnish's own vcl_recv makes one of every method that it doesn't know.
%no_websocket     return (synth(501, "Not Implemented"));
%websocket     # Varnish's own vcl_recv makes a tunnel of every method that it doesn't know: of requests that nobody judges.
%websocket     if (req.http.Upgrade != "websocket") {
%websocket         return (synth(501, "Not Implemented"));
%websocket     }
%websocket     unset bereq.http.X-Phantomgate-JWT;
%websocket     set bereq.http.Upgrade = req.http.Upgrade;
%websocket     # Varnish doesn't wait for a 101: whatever the client sends goes to the API, unjudged. An API that doesn't become a
%websocket     # WebSocket is told to read nothing more (RFC 9112 section 9.6); for one that does, `close` has no meaning.
%websocket     set bereq.http.Connection = "Upgrade, close";
}

sub vcl_backend_fetch {
    unset bereq.http.X-Phantomgate-JWT;
    if (bereq.http.X-Phantomgate-Asked) {
        # What is kept of the body goes along, and its length must: Varnish 7.1 sends it whatever is unset here, and
        # without a length it would be the next question on this connection.
        unset bereq.http.X-Phantomgate-Asked;
    }
}

sub vcl_deliver {
    if (req.http.X-Phantomgate-Asked == "1" && req.restarts == 0) {
        if (resp.status == 200 && resp.http.Authorization ~ "^Bearer [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$") {
            set req.http.X-Phantomgate-JWT = resp.http.Authorization;
            @read_claims@
%session             set req.http.X-Phantomgate-Cookie = resp.http.Cookie;
%cors             set req.http.X-Phantomgate-Origin = resp.http.Access-Control-Allow-Origin;
%cors             set req.http.X-Phantomgate-Expose = resp.http.Access-Control-Expose-Headers;
            return (restart);
        }
        # A refusal is the client's word for word; whatever else answers there is none of ours.
        if (resp.status != 400 && resp.status != 401 && resp.status != 403 &&
            resp.status != 500 && resp.status != 502 && resp.status != 503) {
            return (synth(502));
        }
    }
%cors     elsif (req.http.X-Phantomgate-Asked != "preflight") {
%cors         # CORS is phantomgate's to say, never the API's.
%cors         unset resp.http.Access-Control-Allow-Origin;
%cors         unset resp.http.Access-Control-Allow-Credentials;
%cors         unset resp.http.Access-Control-Expose-Headers;
%cors         if (req.http.X-Phantomgate-Origin) {
%cors             set resp.http.Access-Control-Allow-Origin = req.http.X-Phantomgate-Origin;
%cors             set resp.http.Access-Control-Allow-Credentials = "true";
%cors             if (req.http.X-Phantomgate-Expose) {
%cors                 set resp.http.Access-Control-Expose-Headers = req.http.X-Phantomgate-Expose;
%cors             }
%cors         }
%cors         set resp.http.Vary = "Origin";
%cors     }
}
