"""`phantomgate demo`: the phantom token pattern at work on this machine, in a browser or, with `--once`, as a story.

Rule: this only prints; what happens is in `phantomgate.demo`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress

from phantomgate.cli.paint import Paint, painter
from phantomgate.config.log import LogLine
from phantomgate.demo.run import PORT, Demo, running
from phantomgate.demo.session_story import SESSION_STORY
from phantomgate.demo.story import STORY, Story, play

EXPLANATION = """\
Starts three servers on loopback: a development authorization server, a sample API that verifies JWTs, and phantomgate
as the gateway between the two, with a page that shows every step; and on a port of its own a single-page app that logs
in through the OAuth agent, with a gateway before its API. For development only; nothing is kept.

  phantomgate demo           open the page that it names
  phantomgate demo --once    both stories without a browser

exit codes:
  0  ended, or with --once: all of it happened
  1  with --once: something did not happen; it says what
"""


def add(parser: argparse.ArgumentParser) -> None:
    """`--once` and `--port`."""
    parser.epilog = EXPLANATION
    parser.add_argument("--once", action="store_true", help="play both stories without a browser, check them, and end")
    parser.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help=f"where the page is (default: {PORT}, with --once any); another one is taken if somebody has it",
    )


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until Ctrl-C, or play the story; gives the exit code."""
    paint = painter(sys.stdout, environ)
    if options.once:
        return asyncio.run(play_once(options.port or 0, paint, (*STORY, *SESSION_STORY)))
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(PORT if options.port is None else options.port, paint))
    print()
    return 0


async def _serve(port: int, paint: Paint) -> None:
    async with running(port) as demo:
        _introduce(demo, paint)
        if port and not demo.url.endswith(f":{port}"):
            print(f"  (port {port} is taken, so this is another one)\n")
        print("\n  Open the page, get a token, send a request. Below is the gateway's log: a line for every refusal.")
        print("  Ctrl-C ends it all.\n", flush=True)
        await asyncio.Event().wait()


async def play_once(port: int, paint: Paint, story: Story) -> int:
    """Starts all, plays *story* and ends all; the exit code says whether it came true."""
    lines: list[LogLine] = []
    async with running(port, write=lines.append) as demo:
        _introduce(demo, paint)
        untrue = await play(demo, lambda label, text: _tell(label, text, paint), story)
    if not untrue:
        print("\n" + paint("good", "All of it happened."))
        return 0
    print("\n" + paint("bad", f"{len(untrue)} of it did not happen:"))
    print("\n".join(f"  {each}" for each in untrue))
    print("The gateway's log:")
    print("".join(f"  {line.encode().decode()}" for line in lines[-20:]), end="")
    return 1


def _introduce(demo: Demo, paint: Paint) -> None:
    print(paint("strong", "phantomgate demo") + ", for development only\n")
    print(f"  the page and gateway   {paint('strong', demo.url)}")
    print(f"  a single-page app      {paint('strong', demo.app_url)}  with its gateway and its OAuth agent")
    print(f"  authorization server   {demo.server.issuer} (development only)")
    print(f"  sample API             {demo.upstream}", flush=True)


def _tell(label: str, text: str, paint: Paint) -> None:
    if not text:
        print("\n" + paint("strong", label), flush=True)
    else:
        print(f"   {paint('bad' if label == 'FAILED' else 'soft', f'{label:<17}')} {text}", flush=True)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port; want 0 to 65535")
    return int(text)
