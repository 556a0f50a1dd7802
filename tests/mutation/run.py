"""Does a test fail when the check it is about is gone? `python tests/mutation/run.py` breaks one check after another.

Each line of `table.py` is (what is lost, file, old text, new text, tests that must notice). The tree is copied once a
worker, one text is replaced, the tests run, and the text is put back. What nobody noticed is printed and makes the exit
code 1. Not part of the suite: it takes minutes. `-k WORD` runs only the lines with WORD in them; `--all` gives every
survivor a second chance with the whole of tests/attacks, properties, oauth, gateway, resolvers, adapters and servers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from table import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = [
    f"tests/{name}" for name in ("attacks", "properties", "oauth", "gateway", "resolvers", "adapters", "servers")
]
NOTICED, SURVIVED = 1, 0  # pytest's exit codes; any other is a broken run


@contextmanager
def trees(count: int) -> Iterator[SimpleQueue[Path]]:
    """That many copies of the tree, to be taken and given back."""
    free: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="phantomgate-mutants-") as folder:
        for number in range(count):
            tree = Path(folder) / str(number)
            for name in ("src", "tests", "deploy", "docs"):
                if (ROOT / name).is_dir():
                    skipped = shutil.ignore_patterns("__pycache__", "node_modules", ".venv")
                    shutil.copytree(ROOT / name, tree / name, ignore=skipped)
            shutil.copy(ROOT / "pyproject.toml", tree)
            free.put(tree)
        yield free


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """pytest's exit code and closing lines for *tests* in *tree*."""
    run = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis")},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return run.returncode, "\n".join(run.stdout.splitlines()[-5:])


def try_out(mutation: Mutation, free: SimpleQueue[Path], again: bool) -> tuple[Mutation, str]:
    """What became of *mutation*: noticed, survived, or why it could not be tried."""
    tree = free.get()
    file = tree / "src" / "phantomgate" / mutation.file
    source = file.read_text(encoding="utf-8")
    try:
        if source.count(mutation.old) != 1:
            return mutation, f"its text occurs {source.count(mutation.old)} times in {mutation.file}, want once"
        file.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")
        code, said = run_tests(tree, mutation.tests)
        if code == SURVIVED and again:
            code, said = run_tests(tree, EVERYTHING)
        return mutation, {NOTICED: "noticed", SURVIVED: "survived"}.get(code, f"the run itself broke ({code}):\n{said}")
    except subprocess.TimeoutExpired:
        return mutation, "noticed"  # a run that hangs is not a run that passes
    finally:
        file.write_text(source, encoding="utf-8")
        free.put(tree)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", metavar="WORD", help="only lines with WORD in them")
    parser.add_argument("--all", action="store_true", help="before a survivor is one, run everything")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    chosen = [one for one in MUTATIONS if options.k in " ".join((one.lost, one.file, *one.tests))]
    survivors = []
    with trees(options.workers) as free, ThreadPoolExecutor(options.workers) as pool:
        for mutation, ended in pool.map(lambda one: try_out(one, free, options.all), chosen):
            print(f"{'ok  ' if ended == 'noticed' else 'FAIL'} {mutation.file}: {mutation.lost}", flush=True)
            if ended != "noticed":
                survivors.append(f"{mutation.file}: {mutation.lost}: {ended}")
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} lost checks were noticed")
    for survivor in survivors:
        print(f"  {survivor}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
