"""A cold function in a process of its own: `cold_function.py SRC EVENT` answers once, and says what it imported."""

import json
import sys

if __name__ == "__main__":
    before = set(sys.modules)
    sys.path.insert(0, sys.argv[1])
    from phantomgate.aws import handler

    try:
        answer = handler(json.loads(sys.argv[2]), None)
    except Exception as no:  # noqa: BLE001 - what is raised is what AWS would get
        answer = {"raised": str(no)}
    print(json.dumps({"answer": answer, "imported": sorted(set(sys.modules) - before)}))
