# phantomgate behind Varnish. Written by `phantomgate init varnish`; write it again when the settings change.
# Include this before your own subroutines: they see only requests that were let in, with the JWT.
# Varnish needs room for tokens and JWTs:  -p http_req_hdr_len=16k -p http_resp_hdr_len=32k

import std;

backend phantomgate {
    .host = "127.0.0.1";
    .port = "9090";
    .connect_timeout = 1s;
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
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
        unset req.http.X-Phantomgate-Asked;
        unset req.http.X-Phantomgate-JWT;
        unset req.http.X-Phantomgate-Cookie;
        unset req.http.X-Phantomgate-Origin;
        unset req.http.X-Phantomgate-Expose;
        unset req.http.X-Phantomgate-X-User;
        # What a client may not say about itself goes, in every spelling that some server takes for it.
        unset req.http.X-User;
        unset req.http.Proxy-Authorization;
        unset req.http.X-Authorization;
        unset req.http.X-Forwarded-Authorization;
        unset req.http.X-Original-Authorization;
        unset req.http.X-Http-Method;
        unset req.http.X-Http-Method-Override;
        unset req.http.X-Method-Override;
        unset req.http.X-Original-Method;
        unset req.http.X-Original-Uri;
        unset req.http.X-Original-Url;
        unset req.http.X-Rewrite-Url;
        unset req.http.X-Envoy-Original-Path;
        unset req.http.Forwarded;
        unset req.http.X-Forwarded-Client-Cert;
        unset req.http.X-Forwarded-Method;
        unset req.http.X-Forwarded-Prefix;
        unset req.http.X-Forwarded-Scheme;
        unset req.http.X-Forwarded-Server;
        unset req.http.X-Forwarded-Ssl;
        unset req.http.X-Forwarded-Uri;
        unset req.http.X-Forwarded-User;
        unset req.http.X-Original-Host;
        unset req.http.X-Original-Proto;
        unset req.http.X_User;
        unset req.http."X.User";
        unset req.http.Proxy_Authorization;
        unset req.http."Proxy.Authorization";
        unset req.http.X_Authorization;
        unset req.http."X.Authorization";
        unset req.http.X-Forwarded_Authorization;
        unset req.http."X-Forwarded.Authorization";
        unset req.http.X_Forwarded-Authorization;
        unset req.http.X_Forwarded_Authorization;
        unset req.http."X_Forwarded.Authorization";
        unset req.http."X.Forwarded-Authorization";
        unset req.http."X.Forwarded_Authorization";
        unset req.http."X.Forwarded.Authorization";
        unset req.http.X-Original_Authorization;
        unset req.http."X-Original.Authorization";
        unset req.http.X_Original-Authorization;
        unset req.http.X_Original_Authorization;
        unset req.http."X_Original.Authorization";
        unset req.http."X.Original-Authorization";
        unset req.http."X.Original_Authorization";
        unset req.http."X.Original.Authorization";
        unset req.http.X-Http_Method;
        unset req.http."X-Http.Method";
        unset req.http.X_Http-Method;
        unset req.http.X_Http_Method;
        unset req.http."X_Http.Method";
        unset req.http."X.Http-Method";
        unset req.http."X.Http_Method";
        unset req.http."X.Http.Method";
        unset req.http.X-Http-Method_Override;
        unset req.http."X-Http-Method.Override";
        unset req.http.X-Http_Method-Override;
        unset req.http.X-Http_Method_Override;
        unset req.http."X-Http_Method.Override";
        unset req.http."X-Http.Method-Override";
        unset req.http."X-Http.Method_Override";
        unset req.http."X-Http.Method.Override";
        unset req.http.X_Http-Method-Override;
        unset req.http.X_Http-Method_Override;
        unset req.http."X_Http-Method.Override";
        unset req.http.X_Http_Method-Override;
        unset req.http.X_Http_Method_Override;
        unset req.http."X_Http_Method.Override";
        unset req.http."X_Http.Method-Override";
        unset req.http."X_Http.Method_Override";
        unset req.http."X_Http.Method.Override";
        unset req.http."X.Http-Method-Override";
        unset req.http."X.Http-Method_Override";
        unset req.http."X.Http-Method.Override";
        unset req.http."X.Http_Method-Override";
        unset req.http."X.Http_Method_Override";
        unset req.http."X.Http_Method.Override";
        unset req.http."X.Http.Method-Override";
        unset req.http."X.Http.Method_Override";
        unset req.http."X.Http.Method.Override";
        unset req.http.X-Method_Override;
        unset req.http."X-Method.Override";
        unset req.http.X_Method-Override;
        unset req.http.X_Method_Override;
        unset req.http."X_Method.Override";
        unset req.http."X.Method-Override";
        unset req.http."X.Method_Override";
        unset req.http."X.Method.Override";
        unset req.http.X-Original_Method;
        unset req.http."X-Original.Method";
        unset req.http.X_Original-Method;
        unset req.http.X_Original_Method;
        unset req.http."X_Original.Method";
        unset req.http."X.Original-Method";
        unset req.http."X.Original_Method";
        unset req.http."X.Original.Method";
        unset req.http.X-Original_Uri;
        unset req.http."X-Original.Uri";
        unset req.http.X_Original-Uri;
        unset req.http.X_Original_Uri;
        unset req.http."X_Original.Uri";
        unset req.http."X.Original-Uri";
        unset req.http."X.Original_Uri";
        unset req.http."X.Original.Uri";
        unset req.http.X-Original_Url;
        unset req.http."X-Original.Url";
        unset req.http.X_Original-Url;
        unset req.http.X_Original_Url;
        unset req.http."X_Original.Url";
        unset req.http."X.Original-Url";
        unset req.http."X.Original_Url";
        unset req.http."X.Original.Url";
        unset req.http.X-Rewrite_Url;
        unset req.http."X-Rewrite.Url";
        unset req.http.X_Rewrite-Url;
        unset req.http.X_Rewrite_Url;
        unset req.http."X_Rewrite.Url";
        unset req.http."X.Rewrite-Url";
        unset req.http."X.Rewrite_Url";
        unset req.http."X.Rewrite.Url";
        unset req.http.X-Envoy-Original_Path;
        unset req.http."X-Envoy-Original.Path";
        unset req.http.X-Envoy_Original-Path;
        unset req.http.X-Envoy_Original_Path;
        unset req.http."X-Envoy_Original.Path";
        unset req.http."X-Envoy.Original-Path";
        unset req.http."X-Envoy.Original_Path";
        unset req.http."X-Envoy.Original.Path";
        unset req.http.X_Envoy-Original-Path;
        unset req.http.X_Envoy-Original_Path;
        unset req.http."X_Envoy-Original.Path";
        unset req.http.X_Envoy_Original-Path;
        unset req.http.X_Envoy_Original_Path;
        unset req.http."X_Envoy_Original.Path";
        unset req.http."X_Envoy.Original-Path";
        unset req.http."X_Envoy.Original_Path";
        unset req.http."X_Envoy.Original.Path";
        unset req.http."X.Envoy-Original-Path";
        unset req.http."X.Envoy-Original_Path";
        unset req.http."X.Envoy-Original.Path";
        unset req.http."X.Envoy_Original-Path";
        unset req.http."X.Envoy_Original_Path";
        unset req.http."X.Envoy_Original.Path";
        unset req.http."X.Envoy.Original-Path";
        unset req.http."X.Envoy.Original_Path";
        unset req.http."X.Envoy.Original.Path";
        unset req.http.X-Forwarded-Client_Cert;
        unset req.http."X-Forwarded-Client.Cert";
        unset req.http.X-Forwarded_Client-Cert;
        unset req.http.X-Forwarded_Client_Cert;
        unset req.http."X-Forwarded_Client.Cert";
        unset req.http."X-Forwarded.Client-Cert";
        unset req.http."X-Forwarded.Client_Cert";
        unset req.http."X-Forwarded.Client.Cert";
        unset req.http.X_Forwarded-Client-Cert;
        unset req.http.X_Forwarded-Client_Cert;
        unset req.http."X_Forwarded-Client.Cert";
        unset req.http.X_Forwarded_Client-Cert;
        unset req.http.X_Forwarded_Client_Cert;
        unset req.http."X_Forwarded_Client.Cert";
        unset req.http."X_Forwarded.Client-Cert";
        unset req.http."X_Forwarded.Client_Cert";
        unset req.http."X_Forwarded.Client.Cert";
        unset req.http."X.Forwarded-Client-Cert";
        unset req.http."X.Forwarded-Client_Cert";
        unset req.http."X.Forwarded-Client.Cert";
        unset req.http."X.Forwarded_Client-Cert";
        unset req.http."X.Forwarded_Client_Cert";
        unset req.http."X.Forwarded_Client.Cert";
        unset req.http."X.Forwarded.Client-Cert";
        unset req.http."X.Forwarded.Client_Cert";
        unset req.http."X.Forwarded.Client.Cert";
        unset req.http.X-Forwarded_Method;
        unset req.http."X-Forwarded.Method";
        unset req.http.X_Forwarded-Method;
        unset req.http.X_Forwarded_Method;
        unset req.http."X_Forwarded.Method";
        unset req.http."X.Forwarded-Method";
        unset req.http."X.Forwarded_Method";
        unset req.http."X.Forwarded.Method";
        unset req.http.X-Forwarded_Prefix;
        unset req.http."X-Forwarded.Prefix";
        unset req.http.X_Forwarded-Prefix;
        unset req.http.X_Forwarded_Prefix;
        unset req.http."X_Forwarded.Prefix";
        unset req.http."X.Forwarded-Prefix";
        unset req.http."X.Forwarded_Prefix";
        unset req.http."X.Forwarded.Prefix";
        unset req.http.X-Forwarded_Scheme;
        unset req.http."X-Forwarded.Scheme";
        unset req.http.X_Forwarded-Scheme;
        unset req.http.X_Forwarded_Scheme;
        unset req.http."X_Forwarded.Scheme";
        unset req.http."X.Forwarded-Scheme";
        unset req.http."X.Forwarded_Scheme";
        unset req.http."X.Forwarded.Scheme";
        unset req.http.X-Forwarded_Server;
        unset req.http."X-Forwarded.Server";
        unset req.http.X_Forwarded-Server;
        unset req.http.X_Forwarded_Server;
        unset req.http."X_Forwarded.Server";
        unset req.http."X.Forwarded-Server";
        unset req.http."X.Forwarded_Server";
        unset req.http."X.Forwarded.Server";
        unset req.http.X-Forwarded_Ssl;
        unset req.http."X-Forwarded.Ssl";
        unset req.http.X_Forwarded-Ssl;
        unset req.http.X_Forwarded_Ssl;
        unset req.http."X_Forwarded.Ssl";
        unset req.http."X.Forwarded-Ssl";
        unset req.http."X.Forwarded_Ssl";
        unset req.http."X.Forwarded.Ssl";
        unset req.http.X-Forwarded_Uri;
        unset req.http."X-Forwarded.Uri";
        unset req.http.X_Forwarded-Uri;
        unset req.http.X_Forwarded_Uri;
        unset req.http."X_Forwarded.Uri";
        unset req.http."X.Forwarded-Uri";
        unset req.http."X.Forwarded_Uri";
        unset req.http."X.Forwarded.Uri";
        unset req.http.X-Forwarded_User;
        unset req.http."X-Forwarded.User";
        unset req.http.X_Forwarded-User;
        unset req.http.X_Forwarded_User;
        unset req.http."X_Forwarded.User";
        unset req.http."X.Forwarded-User";
        unset req.http."X.Forwarded_User";
        unset req.http."X.Forwarded.User";
        unset req.http.X-Original_Host;
        unset req.http."X-Original.Host";
        unset req.http.X_Original-Host;
        unset req.http.X_Original_Host;
        unset req.http."X_Original.Host";
        unset req.http."X.Original-Host";
        unset req.http."X.Original_Host";
        unset req.http."X.Original.Host";
        unset req.http.X-Original_Proto;
        unset req.http."X-Original.Proto";
        unset req.http.X_Original-Proto;
        unset req.http.X_Original_Proto;
        unset req.http."X_Original.Proto";
        unset req.http."X.Original-Proto";
        unset req.http."X.Original_Proto";
        unset req.http."X.Original.Proto";
        unset req.http.X-Forwarded_For;
        unset req.http."X-Forwarded.For";
        unset req.http.X_Forwarded-For;
        unset req.http.X_Forwarded_For;
        unset req.http."X_Forwarded.For";
        unset req.http."X.Forwarded-For";
        unset req.http."X.Forwarded_For";
        unset req.http."X.Forwarded.For";
        unset req.http.X-Forwarded_Host;
        unset req.http."X-Forwarded.Host";
        unset req.http.X_Forwarded-Host;
        unset req.http.X_Forwarded_Host;
        unset req.http."X_Forwarded.Host";
        unset req.http."X.Forwarded-Host";
        unset req.http."X.Forwarded_Host";
        unset req.http."X.Forwarded.Host";
        unset req.http.X-Forwarded_Port;
        unset req.http."X-Forwarded.Port";
        unset req.http.X_Forwarded-Port;
        unset req.http.X_Forwarded_Port;
        unset req.http."X_Forwarded.Port";
        unset req.http."X.Forwarded-Port";
        unset req.http."X.Forwarded_Port";
        unset req.http."X.Forwarded.Port";
        unset req.http.X-Forwarded_Proto;
        unset req.http."X-Forwarded.Proto";
        unset req.http.X_Forwarded-Proto;
        unset req.http.X_Forwarded_Proto;
        unset req.http."X_Forwarded.Proto";
        unset req.http."X.Forwarded-Proto";
        unset req.http."X.Forwarded_Proto";
        unset req.http."X.Forwarded.Proto";
        unset req.http.X-Real_IP;
        unset req.http."X-Real.IP";
        unset req.http.X_Real-IP;
        unset req.http.X_Real_IP;
        unset req.http."X_Real.IP";
        unset req.http."X.Real-IP";
        unset req.http."X.Real_IP";
        unset req.http."X.Real.IP";
        # A client names a field in `Connection`, and a hop drops it, what phantomgate said in it too.
        if (req.http.Upgrade ~ "(?i)^websocket$") {
            set req.http.Connection = "Upgrade";
            set req.http.Upgrade = "websocket";
            if (req.http.Transfer-Encoding || req.http.Content-Length ~ "[^0]") {
                return (synth(400));
            }
        } else {
            unset req.http.Connection;
            unset req.http.Upgrade;
            # The body is needed when the request was let in; larger ones are refused.
            if (!std.cache_req_body(1MB)) {
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
        set req.url = "/decide";
        set req.method = "GET";
        return (pass);
    }
    if (!req.http.X-Phantomgate-JWT) {
        return (synth(503));
    }
    # From here on it is yours: say where it goes (req.backend_hint), and `return (pipe)` for WebSocket alone.
    if (req.http.X-Phantomgate-Asked) {
        unset req.http.X-Phantomgate-Asked;
        set req.method = req.http.X-Forwarded-Method;
        set req.url = req.http.X-Forwarded-Uri;
        unset req.http.X-Forwarded-Method;
        unset req.http.X-Forwarded-Uri;
        # Replaced by what phantomgate says: the client's token never goes upstream.
        set req.http.Authorization = req.http.X-Phantomgate-JWT;
        set req.http.X-User = req.http.X-Phantomgate-X-User;
        unset req.http.X-Phantomgate-X-User;
    }
}

sub vcl_pipe {
    # Varnish's own vcl_recv makes a tunnel of every method that it doesn't know: of requests that nobody judges.
    if (req.http.Upgrade != "websocket") {
        return (synth(501, "Not Implemented"));
    }
    unset bereq.http.X-Phantomgate-JWT;
    set bereq.http.Upgrade = req.http.Upgrade;
    # Varnish doesn't wait for a 101: whatever the client sends goes to the API, unjudged. An API that doesn't become a
    # WebSocket is told to read nothing more (RFC 9112 section 9.6); for one that does, `close` has no meaning.
    set bereq.http.Connection = "Upgrade, close";
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
            set req.http.X-Phantomgate-X-User = resp.http.X-User;
            return (restart);
        }
        # A refusal is the client's word for word; whatever else answers there is none of ours.
        if (resp.status != 400 && resp.status != 401 && resp.status != 403 &&
            resp.status != 500 && resp.status != 502 && resp.status != 503) {
            return (synth(502));
        }
    }
}
