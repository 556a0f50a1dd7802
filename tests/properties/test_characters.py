"""What is read without an expression, which a cold start has no time to compile, is what that would read."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.adapters.aws_events import _arn, read_asked
from phantomgate.backends.http_reply import ReplyReader
from phantomgate.backends.http_request import _is_token, _is_value
from phantomgate.config.drop_in import DropIn, _phantom
from phantomgate.config.durations import _parts, read_duration, read_size
from phantomgate.config.vocabulary import CLIENT_ID, ISSUER, REALM, SCOPES, SECRET
from phantomgate.core.characters import only, only_bytes, printable
from phantomgate.core.errors import Refused
from phantomgate.gateway.forward import header_value
from phantomgate.oauth.bearer import is_b64token, read_authorization
from phantomgate.oauth.unverified import read_unverified
from phantomgate.oauth.urls import Origin, split_url


def near(*parts: str) -> st.SearchStrategy[str]:
    """Texts that are nearly right: pieces of what is expected, and of what isn't."""
    strange = ("", " ", "\t", "\n", "\0", "\x7f", "é", "٣", "K", "\u2028", "\udc80", "-", "_", "%", ":")
    return st.lists(st.sampled_from([*parts, *strange]), max_size=9).map("".join)


def near_bytes(*parts: bytes) -> st.SearchStrategy[bytes]:
    strange = (b"", b" ", b"\t", b"\n", b"\r", b"\0", b"\x7f", b"\x80", b"\xff", b"-", b"_", b":")
    return st.lists(st.sampled_from([*parts, *strange]), max_size=9).map(b"".join)


def reads(read, text) -> bool:
    try:
        read(text)
    except (ValueError, Refused):
        return False
    return True


@given(near("a", "b", '"', "\\"))
def test_alphabets(text):
    assert bool(re.fullmatch(r"[ab-]*", text)) is only(text, "ab-")
    assert bool(re.fullmatch(r"[ -~]*", text)) is printable(text)
    assert bool(re.fullmatch(r"[!#-\[\]-~]*", text)) is printable(text, but=' "\\')


@given(near_bytes(b"a", b"b"))
def test_alphabets_of_bytes(data):
    assert bool(re.fullmatch(rb"[ab-]*", data)) is only_bytes(data, b"ab-")


@given(near("a", "B9", '"', "\\", "!", "~"))
def test_words_of_settings(text):
    assert (not text or bool(re.fullmatch(r"[ -~]+", text))) is reads(CLIENT_ID.read, text)
    assert (not text or bool(re.fullmatch(r"[!-~]+", text))) is reads(ISSUER.read, text)
    assert bool(re.fullmatch(r"[ !#-\[\]-~]+", text)) is reads(REALM.read, text)
    assert bool(re.fullmatch(r"[!#-\[\]-~]+", text)) is reads(SCOPES.read, [text])


@given(near("env:", "file:", "aws-sm:", "aws-ssm:", "env", "NAME", "name", "9", "/run", "#key", "def"))
@example("env:class")
def test_references(text):
    wanted = (
        r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0]+"
        r"|aws-sm:[A-Za-z0-9/_+=.@:-]{1,2048}(?:#[^#\x00-\x1f]{1,256})?|aws-ssm:[A-Za-z0-9/_.:-]{1,2048}"
    )
    assert (not text or bool(re.fullmatch(wanted, text))) is reads(SECRET.read, text)


@given(near("1", "05", "123456789", ".", "5", "ms", "s", "m", "h", "KiB", "B", "GiB", "+", "1_0"))
@example("5s\n")
@example("1.5m")
def test_durations_and_sizes(text):
    duration = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)", text)
    size = re.fullmatch(r"([0-9]{1,15})(B|KiB|MiB|GiB)", text)

    assert bool(duration) is reads(read_duration, text)
    assert bool(size) is reads(read_size, text)
    if duration:
        assert duration.groups() == _parts(text, ("ms", "s", "m", "h"))
    if size:
        assert int(size[1]) * {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}[size[2]] == read_size(text)


_SEGMENT = r"(?:[!$&'()*+,./0-9:;=@A-Z_a-z~-]|%[0-9A-Fa-f]{2})"
_TARGET = re.compile(rf"/{_SEGMENT}*(?:\?(?:{_SEGMENT}|\?)*)?")
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_AUTHORITY = re.compile(rf"(?:\[([0-9A-Fa-f:.]{{2,45}})\]|({_LABEL}(?:\.{_LABEL})*))(?::([0-9]{{1,5}}))?")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")


def by_expressions(url: str) -> tuple[Origin, str] | None:
    scheme, found, rest = url.partition("://")
    if not found or scheme not in ("http", "https"):
        return None
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = _AUTHORITY.fullmatch(rest[:end]), rest[end:]
    if authority is None:
        return None
    address, name, port = authority.groups()
    if name and (len(name) > 253 or (_ENDS_IN_A_NUMBER.fullmatch(name) and not _IPV4.fullmatch(name))):
        return None
    number = int(port or {"http": 80, "https": 443}[scheme])
    target = target if target.startswith("/") else f"/{target}"
    if not 0 < number < 65536 or not _TARGET.fullmatch(target):
        return None
    return Origin(scheme, (address or name).lower(), number), target


def by_us(url: str) -> tuple[Origin, str] | None:
    try:
        return split_url(url)
    except ValueError:
        return None


HOSTS = (
    "a",
    "B-c",
    "as.example",
    ".",
    "-",
    "127.0.0.1",
    "127.1",
    "256.1.1.1",
    "1.2.3.04",
    "0x",
    "0x1F",
    "0XG",
    "x" * 63,
)
PORTS = (":", ":443", ":0", ":65536", ":00080", ":123456", "@", "[", "]", "[::1]", "[1:2]", "[f]", "::1")


@given(
    st.sampled_from(["http://", "https://", "ftp://", "https:/", ""]),
    near(*HOSTS, *PORTS),
    near("/", "/a", "?", "?b=c", "%2F", "%zz", "%", "#", "\\", '"', "%4"),
)
@example("https://", "[::1]]", "")
@example("https://", "[]:1", "")
@example("https://", "a" * 64, "/")
@example("https://", ".".join(["a" * 49] * 5) + ".abcd", "/")
@example("https://", ".".join(["a" * 49] * 5) + ".abcde", "/")
def test_urls(scheme, authority, rest):
    assert by_expressions(scheme + authority + rest) == by_us(scheme + authority + rest)


@given(near_bytes(b"Bearer", b"bEARER ", b"  ", b"abc", b"a.b-c~+/", b"=", b"==", b"Basic", b",", b"\xc5\xbf"))
def test_bearer(value):
    wanted = re.fullmatch(rb"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)", value)

    assert bool(wanted) is reads(read_authorization, value)
    if wanted:
        assert wanted[1].decode() == read_authorization(value)


@given(near("abc", "a.b-c~+/", "=", "=="))
def test_b64token(text):
    assert bool(re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", text)) is is_b64token(text)


@given(near("bearer", "BEARER", "Bearer", "ab", "=", "\u017f", "\u0130"))
@example("bEARER")
@example("bearer=")
def test_a_token_that_stands_alone(text):
    wanted = re.fullmatch(r"(?!(?i:bearer)\Z)[A-Za-z0-9\-._~+/]+=*", text)
    arn = "arn:aws:execute-api:eu-west-1:1:abc/prod/GET/"
    event = {"type": "TOKEN", "methodArn": arn, "authorizationToken": text}

    added = read_asked(event, bare_token=True).request.headers.all(b"authorization")
    assert bool(wanted) is (added == [b"Bearer " + text.encode("utf-8", "replace")])


@given(near("a", "-", ".", "[", "]", "::1", "Ff", "_"), near("1", "443", "65536", "123456"))
@example("[]", "")
@example("a\n", "443\n")
@example(".", "443")
@example("[::1].", "443")
@example("::1", " 443 ")
def test_the_host_and_port_of_a_drop_in(host, port):
    found = DropIn()
    _phantom({"HOST": host, "PORT": port, "INTROSPECTION_PATH": "/i"}, found)
    said = {one.setting for one in found.problems}

    named = r"(?!\.\Z)[A-Za-z0-9._-]+"
    address = r"\[[0-9A-Fa-f:.]+\]|(?=(?:[^:]*:){2})[0-9A-Fa-f:.]+"
    assert bool(re.fullmatch(f"{named}|{address}", host)) is ("HOST" not in said)
    assert bool(re.fullmatch(r"[0-9]{1,5}", port.strip() or "443")) is ("PORT" not in said)


@given(near("GET", "x-a", "!#$%&'*+.^_`|~", "(", "a b"))
def test_what_a_request_may_hold(text):
    assert bool(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", text)) is _is_token(text)
    assert bool(re.fullmatch(r"(?:[!-~](?:[\t -~]*[!-~])?)?", text)) is _is_value(text)


def whole(head: bytes) -> bytes:
    return head + b"\r\nContent-Length: 0\r\n\r\n"


@given(near_bytes(b"HTTP/1.1 200", b"HTTP/1.0", b"1 ", b"2", b"00", b" OK", b"HTTP/1.", b"600", b"099"))
@example(b"HTTP/1.1 200")
@example(b"HTTP/1.1 200OK")
@example(b"HTTP/1.1 2000")
@example(b"HTTP/1.12 200")
def test_status_lines(line):
    wanted = re.fullmatch(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?", line)
    if b"\n" in line or (wanted and wanted[2][:1] == b"1"):
        return  # several lines, or an interim reply
    reader = ReplyReader(10)

    assert bool(wanted) is reads(reader.feed, whole(line))
    if wanted:
        assert int(wanted[2]) == reader.reply.status


@given(near_bytes(b"x-name", b":", b": value", b"a b", b"!#$%&'*+.^_`|~"))
def test_fields(line):
    if b"\n" in line or not line:
        return
    wanted = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)", line)
    reader = ReplyReader(10)

    assert bool(wanted) is reads(reader.feed, whole(b"HTTP/1.1 200 OK\r\n" + line))
    if wanted:
        assert [wanted[2].strip(b" \t")] == reader.reply.headers.all(wanted[1].lower())


@given(near("e30", ".", "..", "=", "a", "eyJhIjoxfQ"))
@example("e30.e30.e30")
@example("e30.e30.e30.e30")
@example("e30.e30.")
def test_compact_jwts(text):
    wanted = re.fullmatch(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", text)

    if reads(read_unverified, text):
        assert wanted is not None
    if wanted and {wanted[1], wanted[2]} <= {"e30", "eyJhIjoxfQ"}:
        assert reads(read_unverified, text)


@given(near("a", "b c", ",", "%", "~"))
def test_values_that_go_upstream_as_they_are(text):
    if re.fullmatch(r"(?:[!-$&-+\--~](?:[ -$&-+\--~]*[!-$&-+\--~])?)?", text):
        assert text == header_value(text)
    else:
        assert text != header_value(text) or "," in text  # which only a list encodes


_ARN = re.compile(
    r"arn:(aws[a-z-]*):execute-api:([a-z0-9-]+):([0-9]*):([A-Za-z0-9]+)/([A-Za-z0-9_$-]+)/([A-Z]+|\$connect)(/.*)?",
    re.DOTALL,
)


@given(
    st.sampled_from(["arn:aws", "arn:aws-cn", "arn:AWS", "arn:", "aws"]),
    near(":execute-api:", "eu-west-1", ":", "123", "abc", "EU"),
    near("/", "abc", "prod", "$default", "GET", "$connect", "/orders/42", "a:b", "get", "\n"),
)
@example("arn:aws", ":execute-api:eu-west-1:1:abc", "/prod/GET")
@example("arn:aws", ":execute-api:eu-west-1:1:abc", "/prod/GET/")
@example("arn:aws", ":execute-api:eu-west-1::abc", "/prod/GET/a:b/c\n")
@example("arn:aws", ":execute-api:eu-west-1:1:abc", "/prod/$connect")
@example("arn:aws", ":execute-api:eu-west-1:1:abc", "/prod/$connect/")
@example("arn:aws", ":execute-api:eu-west-1:1:", "/prod/GET/")
def test_arns(partition, middle, resource):
    text = partition + middle + resource
    found = _ARN.fullmatch(text)
    wanted = None if found is None or (found[6] == "$connect") == (found[7] is not None) else found.groups("")

    assert wanted == (_arn(text) or None)
