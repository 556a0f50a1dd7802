"""`phantomgate package`: the authorizer for AWS Lambda as a zip, the same bytes every time.

Rule: only what the settings need goes in, nothing of this machine, and no secret.
"""

from __future__ import annotations

import argparse
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from phantomgate.cli.options import add_config
from phantomgate.cli.packaging.authorities import folder_of
from phantomgate.cli.packaging.code import INDEX, INDEX_OF_AGENT, code
from phantomgate.cli.packaging.compiled import compiled
from phantomgate.cli.packaging.libraries import CRYPTOGRAPHY, JOSERFC, REDIS, NotFetched, fetch, needed
from phantomgate.cli.packaging.literal import in_dotenv, in_toml
from phantomgate.cli.packaging.zipped import zipped
from phantomgate.config.agent_function import load_agent
from phantomgate.config.function import TASK_ROOT, load_function
from phantomgate.config.loading import CONFIG, USUAL_FILE, Sources, read_sources
from phantomgate.core.errors import Problem, SettingsError

GOOD, NOT_FETCHED = 0, 1
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
AUTHORITIES = "ca"
_OURS = Path(__file__).parents[2]
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
_NODE_VARIABLE = "CLIENT_SECRET"
"""The one variable of the Node authorizers without which the others are incomplete."""
_MOST_ZIPPED, _MOST = 50 << 20, 250 << 20
"""What Lambda takes: uploaded at once, and unzipped with all layers."""

EXPLANATION = """\
examples:
  phantomgate package                                       for the settings in ./phantomgate.toml, which is put in
  phantomgate package --python 3.13 --arch arm64            for another runtime
  phantomgate package --with cryptography                   the settings will be variables of the function, for JWTs
  phantomgate package --layer                               a layer: the code alone, for several functions
  phantomgate package --agent                               the OAuth agent, as a function of its own

In the function: handler phantomgate.aws.handler, of an agent phantomgate.aws.agent (or index.handler); to use the zip's
certificate authorities, SSL_CERT_DIR=/var/task/ca (a layer: /opt/ca) and SSL_CERT_FILE=/var/task/ca/none.

exit codes:
  0  written
  1  the libraries that the settings need could not be fetched
  2  the settings have problems, or a secret would have been in the zip; nothing is written
"""


def add(parser: argparse.ArgumentParser) -> None:
    """For which function, with what, and where to."""
    parser.epilog = EXPLANATION
    add_config(parser)
    parser.add_argument("--dotenv", metavar="FILE", type=Path, help="put this file in, as .env; it must hold no secret")
    parser.add_argument(
        "--python",
        choices=PYTHONS,
        default=_RUNNING if _RUNNING in PYTHONS else PYTHONS[-1],
        help="the function's runtime; byte code is made when it is the version that runs this (default: %(default)s)",
    )
    parser.add_argument(
        "--arch", choices=["x86_64", "arm64"], default="x86_64", help="the function's architecture (%(default)s)"
    )
    parser.add_argument(
        "--with",
        dest="libraries",
        action="append",
        default=[],
        choices=[CRYPTOGRAPHY, JOSERFC, REDIS],
        help="put this in, whatever the settings here need: cryptography verifies JWTs and opens cookies, joserfc "
        "signs and decrypts too, redis is for a shared cache",
    )
    parser.add_argument(
        "--ca", metavar="FILE", help='the certificate authorities, in PEM; "none" for none (default: this system\'s)'
    )
    parser.add_argument(
        "--agent", action="store_true", help="for the OAuth agent, whose handler is phantomgate.aws.agent"
    )
    parser.add_argument("--layer", action="store_true", help="a layer: without settings and index.py")
    parser.add_argument(
        "--output", metavar="ZIP", type=Path, help="where to (default: phantomgate-lambda.zip, -agent.zip, -layer.zip)"
    )


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """0 when written, 1 when the libraries can't be had. Raises SettingsError."""
    sources = read_sources(options.config, environ)
    dotenv = _read(options.dotenv, "--dotenv") if options.dotenv else ""
    _refuse_secrets(sources, dotenv, options)
    wanted = frozenset(options.libraries) | _libraries(sources, dotenv, agent=options.agent)
    wanted |= {CRYPTOGRAPHY} if options.agent else frozenset()
    try:
        libraries = fetch(wanted, options.arch, options.python)
    except NotFetched as no:
        print(f"can't fetch {' and '.join(sorted(wanted))} for {options.arch}: {no}", file=sys.stderr)
        return NOT_FETCHED
    index = INDEX_OF_AGENT if options.agent else INDEX
    ours = dict(code(_OURS, agent=options.agent)) | ({} if options.layer else {"index.py": index})
    parts = {"phantomgate": ours, "libraries": libraries}
    if options.python == _RUNNING:
        root = "/opt/python" if options.layer else "/var/task"
        parts["byte code"] = compiled({**ours, **libraries}, root)
    if options.layer:
        parts = {kind: {f"python/{name}": data for name, data in files.items()} for kind, files in parts.items()}
    else:
        parts["settings"] = dict(_settings_files(sources, dotenv))
    parts["certificate authorities"] = {f"{AUTHORITIES}/{name}": pem for name, pem in _authorities(options.ca).items()}
    data = zipped({name: data for files in parts.values() for name, data in files.items()})
    kind = "layer" if options.layer else "agent" if options.agent else "lambda"
    output: Path = options.output or Path(f"phantomgate-{kind}.zip")
    try:
        output.write_bytes(data)
    except OSError as no:
        raise SettingsError([Problem("--output", f"can't be written: {no.strerror}", str(output))]) from None
    _report(_Made(output, data, parts, options.python, options.arch, wanted))
    return GOOD


def _refuse_secrets(sources: Sources, dotenv: str, options: argparse.Namespace) -> None:
    if options.layer and dotenv:
        text = "has no place in a layer: a function reads the one beside its own code; leave it out"
        raise SettingsError([Problem("--dotenv", text, "command line")])
    problems = [*in_dotenv(dotenv, str(options.dotenv))]
    if not options.layer:
        problems += in_toml(sources.toml_text or "", sources.origin)
    if problems:
        raise SettingsError(problems)


def _libraries(sources: Sources, dotenv: str, *, agent: bool) -> frozenset[str]:
    """What the settings need, read as the function will; nothing when none are known here. Raises SettingsError."""
    if sources.toml_text is None and not sources.environ and not dotenv:
        return frozenset()
    with TemporaryDirectory() as root:
        Path(root, ".env").write_text(dotenv, "utf-8")
        named = {} if sources.toml_text is None else {CONFIG: sources.origin}
        secret = {_NODE_VARIABLE: "as the function has it"} if dotenv else {}  # where it belongs, and not in the file
        load = load_agent if agent else load_function
        return needed(load({**sources.environ, **secret, **named, TASK_ROOT: root}).settings, agent=agent)


def _settings_files(sources: Sources, dotenv: str) -> Iterator[tuple[str, bytes]]:
    if sources.toml_text is not None:
        yield USUAL_FILE, sources.toml_text.encode()
    if dotenv:
        yield ".env", dotenv.encode()


def _authorities(named: str | None) -> Mapping[str, bytes]:
    if named == "none":
        return {}
    usual = ssl.get_default_verify_paths().cafile
    bundle = named or next((one for one in (usual, *_BUNDLES) if one and Path(one).is_file()), "")
    if not bundle:
        text = 'are not where systems have them; name a PEM file, or "none" to use the runtime\'s own'
        raise SettingsError([Problem("--ca", f"certificate authorities {text}", "command line")])
    try:
        return folder_of(_read(Path(bundle), "--ca"))
    except ValueError as no:
        raise SettingsError([Problem("--ca", str(no), bundle)]) from None


def _read(file: Path, said_by: str) -> str:
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise SettingsError([Problem(said_by, "is not UTF-8; save it as UTF-8", str(file))]) from None
    except OSError as no:
        raise SettingsError([Problem(said_by, f"can't be read: {no.strerror}", str(file))]) from None


@dataclass(frozen=True, slots=True)
class _Made:
    """What was written, and what it is for."""

    output: Path
    data: bytes
    parts: Mapping[str, Mapping[str, bytes]]
    python: str
    architecture: str
    libraries: frozenset[str]


def _report(made: _Made) -> None:
    sizes = {kind: (len(files), sum(map(len, files.values()))) for kind, files in made.parts.items() if files}
    total = sum(size for _, size in sizes.values())
    print(f"{made.output}  for python{made.python}, {made.architecture}")
    print(f"  sha256 {sha256(made.data).hexdigest()}")
    for kind, (count, size) in sizes.items():
        note = f"  ({', '.join(sorted(made.libraries))})" if kind == "libraries" else ""
        print(f"  {kind:<24}{count:>5} files {size / 1024:>9.0f} KiB{note}")
    print(f"  {'unzipped':<24}{sum(count for count, _ in sizes.values()):>5} files {total / 1024:>9.0f} KiB")
    print(f"  {'zip':<30}{len(made.data) / 1024:>15.0f} KiB")
    for text in _notes(made, total):
        print(f"note: {text}", file=sys.stderr)


def _notes(made: _Made, total: int) -> Iterator[str]:
    if made.python != _RUNNING:
        yield (
            f"no byte code: python{made.python} needs its own, and this is python{_RUNNING}; every cold start will "
            f"compile. Run this by python{made.python}"
        )
    if made.libraries == frozenset():
        yield "the standard library only; if the function's variables ask for JWTs or cookies, add --with cryptography"
    if len(made.data) > _MOST_ZIPPED or total > _MOST:
        yield "larger than Lambda takes (50 MB zipped at once, 250 MB unzipped)"
