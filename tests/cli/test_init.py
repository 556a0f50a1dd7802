"""`phantomgate init nginx`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phantomgate.backends.blocking import finish
from phantomgate.cli.gateways.nginx import disk_under
from phantomgate.cli.main import main
from phantomgate.core.model import Route, Token, plain_name
from phantomgate.gateway.forward import forward_jwt

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx"
SETTINGS = """
[serve]
source = "original"
nginx = true
[introspection]
endpoint = "https://as.example/introspect"
client_id = "gateway"
client_secret = "env:SECRET"
"""


@pytest.fixture
def init(tmp_path):
    """Runs `init nginx` on settings, into a folder; gives the exit code and the files by name."""

    def run(text=SETTINGS, *options, folder=tmp_path / "out"):
        config = tmp_path / "phantomgate.toml"
        config.write_text(text)
        code = main(["init", "nginx", "--config", str(config), "--output", str(folder), *options], {})
        found = {file.name: file.read_text() for file in folder.iterdir()} if folder.is_dir() else {}
        return code, found

    return run


@pytest.mark.parametrize("more", ["", '[[routes]]\npath = "/**"\n', '[forward]\nclaims = { "X-User" = "sub" }\n'])
@pytest.mark.parametrize("options", [[], ["--cached"], ["--cached", "--hash", "set-misc"]])
def test_nothing_of_the_template_is_left(init, more, options):
    code, files = init(SETTINGS + more, *options)
    assert 0 == code
    for text in files.values():
        assert not re.search(r"@[a-z_]+@|^%|[ \t]$|\n\n\n|\n\n\Z", text, re.MULTILINE)


def test_the_names_of_what_was_written_are_printed(init, tmp_path, capsys):
    _, files = init()
    assert {str(tmp_path / "out" / name) for name in files} == set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("listen", "server"),
    [
        ("127.0.0.1:9090", "127.0.0.1:9090"),
        ("localhost:9090", "localhost:9090"),
        ("[::1]:9090", "[::1]:9090"),
        ("unix:/run/phantomgate/decide.sock", "unix:/run/phantomgate/decide.sock"),
        ("0.0.0.0:9090", "127.0.0.1:9090"),
        ("[::]:9090", "[::1]:9090"),
    ],
)
def test_nginx_asks_where_phantomgate_listens(init, listen, server):
    _, files = init(SETTINGS.replace("[serve]", f'[serve]\nlisten = "{listen}"\nallow_any_caller = true'))
    assert f"    server {server};\n" in files["phantomgate.conf"]


def test_every_forwarded_claim_replaces_what_the_client_sent(init):
    _, files = init(SETTINGS + '[forward]\nclaims = { "X-User" = "sub", "X-Client-Id" = "client_id" }\n')
    location = files["phantomgate-location.conf"]
    assert "auth_request_set $phantomgate_claim_x_user $upstream_http_x_user;\n" in location
    assert "proxy_set_header X-User $phantomgate_claim_x_user;\n" in location
    assert "proxy_set_header X-Client-Id $phantomgate_claim_x_client_id;\n" in location


def test_whatever_a_client_may_not_send_upstream_is_replaced(init):
    """The listener says which names those are; nginx has to say them one by one."""
    _, files = init()
    replaced = {
        plain_name(name)
        for name in re.findall(r"^proxy_set_header (\S+)", files["phantomgate-location.conf"], re.MULTILINE)
    }
    token = Token("jwt", {}, frozenset(), 0.0, 0.0)
    owned = finish(forward_jwt({})(Route("policy"), token)).owned
    assert set() == set(owned) - replaced


def test_with_routes_the_key_is_of_the_whole_request(init):
    _, with_routes = init(SETTINGS + '[[routes]]\npath = "/**"\n', "--cached")
    _, without = init(SETTINGS, "--cached")
    _, fast = init(SETTINGS + '[[routes]]\npath = "/**"\n', "--cached", "--hash", "set-misc")
    assert 'set_sha1 $phantomgate_key "$request_method ' in fast["phantomgate-server.conf"]
    assert "request_method" in with_routes["phantomgate.js"]
    assert "request_method" not in without["phantomgate.js"]
    assert "$upstream_http_vary" in without["phantomgate-server.conf"]


SESSION = """
[session]
keys = ["env:KEY"]
trusted_web_origins = ["https://www.example.com"]
cookie_prefix = "example"
"""


def test_with_a_session_cookies_and_the_csrf_header_are_judged_and_go_no_further(init):
    _, files = init(SETTINGS + SESSION)
    location, server = files["phantomgate-location.conf"], files["phantomgate-server.conf"]
    assert "proxy_set_header Cookie $phantomgate_cookie;\n" in location
    assert 'proxy_set_header x-example-csrf "";\n' in location
    assert "proxy_set_header x-example-csrf $http_x_example_csrf;\n" in server
    assert "proxy_set_header Origin $http_origin;\n" in server
    assert "cors" not in "".join(files.values())
    assert "@phantomgate_preflight" in "".join(init(SETTINGS + SESSION + "cors = true\n")[1].values())
    assert "preflight" not in "".join(init(SETTINGS)[1].values())


AGENT = """
[agent]
listen = "{listen}"
issuer = "https://as.example"
client_id = "www"
client_secret = "env:AGENT_SECRET"
redirect_uri = "https://www.example.com/"
"""


def test_an_agent_that_listens_is_reached_and_no_other(init):
    _, files = init(SETTINGS + SESSION + AGENT.format(listen="0.0.0.0:9092"))
    assert "    server 127.0.0.1:9092;\n" in files["phantomgate.conf"]
    assert "location /oauth-agent/ {" in files["phantomgate-server.conf"]
    _, files = init(SETTINGS + SESSION + AGENT.format(listen=""))
    assert "agent" not in files["phantomgate.conf"]
    assert "agent" not in files["phantomgate-server.conf"]


def test_an_agent_that_nginx_can_not_find_is_refused(init, capsys):
    code, files = init(SETTINGS + SESSION + AGENT.format(listen="127.0.0.1:0"))
    assert (2, {}) == (code, files)
    assert "agent.listen" in capsys.readouterr().err


def test_what_a_session_had_a_say_in_is_never_remembered_by_nginx(init, capsys):
    code, files = init(SETTINGS + SESSION, "--cached")
    assert (2, {}) == (code, files)
    assert "never remembered" in capsys.readouterr().err


def test_times_follow_the_settings(init):
    more = '[cache]\nmax_age = "90s"\n'
    _, files = init(SETTINGS.replace("[introspection]", '[introspection]\ntimeout = "2500ms"') + more, "--cached")
    assert "inactive=90s" in files["phantomgate.conf"]
    assert "proxy_read_timeout 6s;" in files["phantomgate-server.conf"]


def test_the_files_that_stay_open_are_within_the_limit(init):
    _, files = init(SETTINGS, "--cached", "--hot", "5000")
    assert "open_file_cache max=5000 " in files["phantomgate-server.conf"]
    assert "worker_rlimit_nofile 9096;" in files["nginx.conf"]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1000001"])
def test_a_number_that_is_none_is_a_usage_error(init, text):
    with pytest.raises(SystemExit):
        init(SETTINGS, "--cached", "--hot", text)


def test_a_file_that_is_not_ours_is_left_alone_and_nothing_is_written(init, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "nginx.conf").write_text("user www-data;\n")
    code, files = init()
    assert (2, {"nginx.conf": "user www-data;\n"}) == (code, files)
    assert "nginx.conf is there and isn't ours" in capsys.readouterr().err


def test_files_of_ours_are_written_again(init):
    init(SETTINGS + '[[routes]]\npath = "/**"\n', "--cached")
    _, files = init(SETTINGS, "--cached")
    assert "request_method" not in files["phantomgate.js"]


def test_a_folder_that_cant_be_written_is_a_problem(init, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _ = init(SETTINGS, folder=tmp_path / "file" / "out")
    assert 2 == code
    assert "--output" in capsys.readouterr().err


def test_check_is_content_with_what_init_wrote(init, capsys):
    init(SETTINGS, "--cached")
    capsys.readouterr()
    assert 0 == init(SETTINGS, "--cached", "--check")[0]
    assert "" == capsys.readouterr().err


def test_check_names_what_differs_and_writes_nothing(init, tmp_path, capsys):
    _, before = init(SETTINGS, "--cached")
    (tmp_path / "out" / "phantomgate-location.conf").unlink()
    code, after = init(SETTINGS + '[[routes]]\npath = "/**"\n', "--cached", "--check")
    said = capsys.readouterr().err
    assert 2 == code
    assert "phantomgate.js: differs" in said
    assert "phantomgate-location.conf: missing" in said
    assert {name: text for name, text in before.items() if name != "phantomgate-location.conf"} == after


def test_check_leaves_the_example_to_its_owner(init, tmp_path):
    init()
    (tmp_path / "out" / "nginx.conf").write_text("user www-data;\n")
    assert 0 == init(SETTINGS, "--check")[0]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (SETTINGS.replace('source = "original"', ""), 'source = "original"'),
        (SETTINGS.replace("nginx = true", ""), "nginx = true"),
    ],
)
def test_settings_that_nginx_wants_otherwise_are_pointed_out(init, capsys, text, advice):
    assert 0 == init(text)[0]
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "options", "setting"),
    [
        (SETTINGS.replace("original", "forwarded"), [], "serve.source"),
        (SETTINGS.replace("original", "path"), [], "serve.source"),
        (SETTINGS.replace("[serve]", '[serve]\nlisten = "127.0.0.1:0"'), [], "serve.listen"),
        (SETTINGS.replace("[serve]", '[serve]\nlisten = "unix:/run/a b;"'), [], "serve.listen"),
        (SETTINGS + '[forward]\nclaims = { "X_User" = "sub" }\n', [], "forward.claims"),
        (SETTINGS, ["--api", "127.0.0.1:1; } "], "--api"),
        (SETTINGS, ["--bind", "$host"], "--bind"),
        (SETTINGS, ["--cached", "--cache", "/run/{x}"], "--cache"),
        (SETTINGS.replace("client_id", "client_ib"), [], "client_ib"),
    ],
)
def test_what_nginx_cant_work_with_is_a_problem(init, capsys, text, options, setting):
    code, files = init(text, *options)
    assert (2, {}) == (code, files)
    assert setting in capsys.readouterr().err


MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /run tmpfs rw,nosuid 0 0
tmpfs /memory tmpfs rw 0 0
/dev/vdb /run/data xfs rw 0 0
overlay /var/a overlay rw 0 0
tmpfs /var/a tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/run/nginx-phantomgate", ""),
        ("/run", ""),
        ("/memory/x", ""),
        ("/run/data/x", "xfs"),
        ("/running/x", "ext4"),
        ("/var/cache/x", "ext4"),
        ("/var/a/x", ""),
    ],
)
def test_a_disk_under_the_folder_of_jwts_is_seen(folder, kind):
    assert kind == disk_under(folder, MOUNTS)


def test_without_a_list_of_mounts_nothing_is_said():
    assert "" == disk_under("/run", "")


def test_the_guides_settings_are_good_and_need_no_advice(init, capsys):
    guide = (SHIPPED.parents[1] / "docs" / "how-to" / "nginx.md").read_text()
    code, _ = init(guide.partition("cat > phantomgate.toml <<'END'\n")[2].partition("END\n")[0])
    assert (0, "") == (code, capsys.readouterr().err)


@pytest.mark.parametrize("more", [[], ["--check"]])
def test_a_folder_that_cant_be_is_said_without_a_traceback(more, tmp_path, capsys):
    file = tmp_path / "gate.toml"
    file.write_text(SETTINGS)
    folder = tmp_path / ("a" * 300)
    assert 2 == main(["init", "nginx", "--config", str(file), "--output", str(folder), *more], {})
    assert "File name too long" in capsys.readouterr().err
