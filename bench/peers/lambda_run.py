"""Runs our handler as Lambda would: a first event, and then the others; prints what it took.

With "preloaded", what awslambdaric (4.0) has imported before any handler is imported first: RUNTIME.
"""

import sys
import time

RUNTIME = ("decimal", "importlib", "json", "logging", "numbers", "os", "textwrap", "traceback", "types", "warnings")

if __name__ == "__main__":
    if sys.argv[2:] == ["preloaded"]:
        for name in RUNTIME:
            __import__(name)
    file = open(sys.argv[1], encoding="utf-8")  # noqa: PTH123, SIM115 - pathlib is nothing that Lambda imports
    text = file.read()
    began, cpu = time.perf_counter(), time.process_time()
    import json

    from phantomgate.aws import handler

    first, *others = json.loads(text)
    context = handler(first, None)["context"]
    said = context.get("Authorization") or context["token"]
    started, started_cpu = time.perf_counter() - began, time.process_time() - cpu
    told = {"context": said, "started": started * 1000, "started_cpu": started_cpu * 1000}
    print(json.dumps({**told, "cpu": time.process_time() * 1000}), flush=True)
    walls, cpu = [], time.process_time()
    for event in others:
        before = time.perf_counter()
        handler(event, None)
        walls.append(time.perf_counter() - before)
    cpu = time.process_time() - cpu
    wall = sorted(walls)[len(walls) // 2]
    print(json.dumps({"wall": wall * 1000, "cpu": cpu * 1000 / len(others)}), flush=True)
