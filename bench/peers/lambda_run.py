"""Runs our handler as Lambda would: a first event, and then some more with other tokens; prints what it took.

With "preloaded", what awslambdaric has imported before any handler is imported first.
"""

import json
import sys
import time

if __name__ == "__main__":
    first, count = json.loads(sys.argv[1]), int(sys.argv[2])
    if sys.argv[3:] == ["preloaded"]:
        import base64, http.client, importlib, logging, os, traceback, types, uuid  # noqa: E401, F401, I001
    began = time.perf_counter()
    from phantomgate.aws import handler

    answer = handler(first, None)
    started = (time.perf_counter() - began) * 1000
    print(json.dumps({"principal": answer["principalId"], "started": started}), flush=True)
    before, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        handler({**first, "authorizationToken": f"Bearer token-{number}"}, None)
    if count:
        warm, cpu = time.perf_counter() - before, time.process_time() - cpu
        print(json.dumps({"warm": warm * 1000 / count, "cpu": cpu * 1000 / count}), flush=True)
