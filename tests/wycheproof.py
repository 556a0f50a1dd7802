"""Wycheproof's vectors, which are not part of this repository: where they are, and as parameters of tests.

They are looked for in the folder that PHANTOMGATE_WYCHEPROOF names, else in shared/vectors/wycheproof beside the
checkout; without them their tests are skipped.
"""

import json
import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared" / "vectors" / "wycheproof"
FOLDER = Path(os.environ.get("PHANTOMGATE_WYCHEPROOF", BESIDE))


def vectors(name, wanted=lambda group: True):
    """(group, test) for each vector in the file *name* whose group is *wanted*; without the file, one to skip."""
    path = FOLDER / name
    if not path.is_file():
        why = f"no {name}: set PHANTOMGATE_WYCHEPROOF to the folder that holds Wycheproof's vectors"
        return [pytest.param(None, None, id=name, marks=pytest.mark.skip(reason=why))]
    return [
        pytest.param(group, test, id=f"{test['tcId']}-{test['comment']}")
        for group in json.loads(path.read_text(encoding="utf-8"))["testGroups"]
        for test in group["tests"]
        if wanted(group)
    ]
