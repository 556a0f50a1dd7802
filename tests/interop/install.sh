#!/bin/sh
# Installs the real servers that the interop tests start, and starts none of them. Fast when all of them are there.
# As root on Debian it installs packages; otherwise it says what is missing, and those tests are skipped by name.
set -u
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/usr/local/sbin"

has() { command -v "$1" >/dev/null 2>&1; }
missing=""
need() { missing="$missing $1"; }

has nginx || need nginx
[ -f /usr/lib/nginx/modules/ngx_http_js_module.so ] || need libnginx-mod-http-js
[ -f /usr/lib/nginx/modules/ngx_http_set_misc_module.so ] || need libnginx-mod-http-set-misc
[ -f /usr/lib/nginx/modules/ngx_http_lua_module.so ] || need libnginx-mod-http-lua
has caddy || need caddy
has apache2 || need apache2
[ -d /usr/share/lua/5.1/socket ] || need lua-socket
has varnishd || need varnish
[ -f /usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so ] || need lua-cjson
has haproxy || need haproxy
has glewlwyd || need glewlwyd
has chromium || need chromium
has redis-server || need redis-server
[ -f /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 ] || need faketime
has wrk || need wrk
has curl || need curl
has promtool || need prometheus
has systemd-analyze || need systemd
has node || need nodejs
has npm || need npm

# Packages may want to start what they install; in a test machine nothing of it is wanted.
quiet_apt() {
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
}
install_packages() {
    log=$(mktemp) policy=/usr/sbin/policy-rc.d made=""
    if [ ! -e $policy ]; then
        made=$policy
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
    fi
    # shellcheck disable=SC2086 # the names are words
    if ! { quiet_apt update && quiet_apt install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "could not install:$missing; the tests that need them will say so" >&2
    fi
    rm -f "$log" ${made:+"$made"}
}

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && has apt-get; then
        echo "installing real servers for the tests (once):$missing"
        install_packages
    else
        echo "not here, so their tests are skipped:$missing (as root on Debian: apt-get install$missing)"
    fi
fi

# The versions and hashes are in package-lock.json; the stamp says that exactly these are installed.
install_node_packages() {
    cd "$here/$1" || exit 1
    stamp=node_modules/.installed-lock.json
    if has npm && ! cmp -s package-lock.json "$stamp"; then
        echo "installing $2 for the tests (once)"
        if npm ci --silent --no-audit --no-fund --ignore-scripts ${3:-}; then
            cp package-lock.json "$stamp"
        else
            echo "could not install $2; the tests that need it will say so" >&2
        fi
    fi
}
install_node_packages oidc_provider oidc-provider
install_node_packages serverless serverless-offline --legacy-peer-deps # it asks for serverless itself; osls is that
install_node_packages cdk "the AWS CDK's command line"
install_node_packages linters "what knows the configuration of gateways that can't be run"
# The clients and servers of AWS that run without AWS: awslambdaric and moto, with hashes as above.
cd "$here/aws" || exit 1
stamp=.venv/.installed-requirements.txt
if has python3 && ! cmp -s requirements.txt "$stamp"; then
    echo "installing awslambdaric and moto for the tests (once)"
    if { [ -x .venv/bin/python ] || python3 -m venv .venv; } &&
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; then
        cp requirements.txt "$stamp"
    else
        echo "could not install awslambdaric and moto; the tests that need them will say so" >&2
    fi
fi

# Servers in Python, each in an environment of its own: what they need is not what we need. requirements.txt has the
# versions and hashes, and its copy in the environment says that exactly these are installed.
python=$here/../../.venv/bin/python
[ -x "$python" ] || python=python3
install_python_server() {
    folder=$here/$1
    if cmp -s "$folder/requirements.txt" "$folder/.venv/installed.txt" && "$folder/.venv/bin/python" -c ''; then return; fi
    echo "installing $2 for the tests (once)"
    log=$(mktemp)
    if "$python" -m venv --clear "$folder/.venv" >"$log" 2>&1 && "$folder/.venv/bin/python" -m pip install --quiet \
        --disable-pip-version-check --only-binary :all: --no-deps --require-hashes -r "$folder/requirements.txt" >>"$log" 2>&1
    then
        cp "$folder/requirements.txt" "$folder/.venv/installed.txt"
    else
        tail -n 20 "$log" >&2
        echo "could not install $2; the tests that need it will say so" >&2
    fi
    rm -f "$log"
}
install_python_server django_oauth_toolkit django-oauth-toolkit
install_python_server canaille Canaille
install_python_server sam cfn-lint
install_python_server cdk "the AWS CDK"
install_python_server checkov checkov
# Gateways that Debian lacks or has in an old version, as others have packed them: pinned, for tests alone.
install_python_server traefik Traefik
install_python_server caddy "a current Caddy"
install_python_server envoy Envoy
install_python_server kong "Kong's Python plugin server"
exit 0
