"""deploy/aws/behind-http-api: what an HTTP API of AWS sends as X-Access-Token reaches the API as Authorization."""

from __future__ import annotations

from pathlib import Path

import pytest

from interop import echo_api
from interop.asking import ask
from interop.needs import needs
from interop.nginx_server import running
from ports import free_port

pytestmark = pytest.mark.interop
FILE = Path(__file__).parents[2] / "deploy" / "aws" / "behind-http-api" / "nginx.conf"
JWT = "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln"
OTHER = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.eA"
NONE = {
    "without": (),
    "with an opaque token": (("X-Access-Token", "Bearer opaque"),),
    "with another scheme": (("X-Access-Token", "Basic YTpi"),),
    "with a JWT that is not signed": (("X-Access-Token", "Bearer e30.e30."),),
    "two in one": (("X-Access-Token", f"{JWT}, {OTHER}"),),
    "under a name that some APIs take for it": (("X_Access_Token", JWT),),
    "as Authorization": (("Authorization", JWT),),
}


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """The port to ask, and the API behind it."""
    needs("nginx")
    folder, port = tmp_path_factory.mktemp("behind"), free_port()
    with echo_api.running() as api:
        text = FILE.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{api.port}")
        (folder / "nginx.conf").write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
        with running(folder, port):
            yield port, api


def test_the_jwt_arrives_as_authorization_and_nothing_else_of_the_kind_does(behind):
    port, api = behind
    sent = (("Authorization", "Bearer opaque"), ("X-Access-Token", JWT), ("X_Access_Token", OTHER))
    answer = ask(port, "/orders/1?expand=lines", *sent)

    assert 200 == answer.status
    _, path, fields, _ = api.requests[-1]
    assert "/orders/1?expand=lines" == path
    assert [("authorization", JWT)] == [one for one in fields if "auth" in one[0] or "token" in one[0]]
    assert not api.contains("opaque")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("how", NONE)
def test_without_one_jwt_the_api_is_not_asked(behind, how, method):
    port, api = behind
    before = len(api.requests)
    answer = ask(port, "/orders/1", *NONE[how], method=method)

    assert (401, "Bearer") == (answer.status, answer.one("www-authenticate"))
    assert before == len(api.requests)


def test_of_two_fields_the_api_never_gets_more_than_one(behind):
    """nginx before 1.23 takes the first; later ones join them, and that is no JWT. An HTTP API sends one."""
    port, api = behind
    before = len(api.requests)
    answer = ask(port, "/orders/1", ("X-Access-Token", JWT), ("X-Access-Token", OTHER))

    if 401 == answer.status:
        assert before == len(api.requests)
    else:
        _, _, fields, _ = api.requests[-1]
        assert [("authorization", JWT)] == [one for one in fields if "auth" in one[0] or "token" in one[0]]
