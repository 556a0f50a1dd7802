"""checkov finds nothing in what deploy/aws deploys but what is left as it is for a reason, in tests/interop/checkov."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from interop.cdk_app import run
from interop.needs import HERE, needs, python_of

pytestmark = [pytest.mark.interop, pytest.mark.slow]
DEPLOY = Path(__file__).parents[2] / "deploy" / "aws"


@pytest.fixture(scope="module")
def reports(cdk_app, tmp_path_factory):
    """What it says about all of them, by framework: one run, as it starts slowly."""
    needs("checkov")
    folder = tmp_path_factory.mktemp("checkov")
    shutil.copytree(DEPLOY / "sam", folder / "sam")
    shutil.copytree(
        cdk_app / "cdk.out", folder / "cdk", ignore=lambda _, names: [n for n in names if "template" not in n]
    )
    shutil.copytree(
        DEPLOY / "terraform", folder / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*")
    )
    said = folder / "weakened.yaml"
    said.write_text(
        (DEPLOY / "sam" / "websocket.yaml").read_text().replace("Resource: !Ref ClientSecretArn", 'Resource: "*"')
    )
    done = run(
        folder, python_of("checkov").with_name("checkov"), "--config-file", HERE / "checkov" / "checkov.yaml",
        "--directory", folder, "--output", "json",
    )  # fmt: skip
    found = json.loads(done.stdout)
    return {one["check_type"]: one["results"] for one in found}


def test_it_finds_a_role_that_may_read_every_secret(reports):
    found = [one for one in reports["cloudformation"]["failed_checks"] if "/weakened.yaml" == one["file_path"]]
    assert found


def test_it_finds_nothing_in_what_is_shipped(reports):
    found = [one for report in reports.values() for one in report["failed_checks"]]
    assert [] == [
        (one["check_id"], one["file_path"], one["resource"]) for one in found if "/weakened.yaml" != one["file_path"]
    ]


def test_it_looked_at_all_of_it(reports):
    looked = Counter(one["file_path"].split("/")[1] for report in reports.values() for one in report["passed_checks"])
    assert {"sam", "cdk", "terraform", "weakened.yaml"} == set(looked)
    assert all(count >= 10 for count in looked.values())


def test_each_suppression_has_its_reason():
    skips = [line for line in (HERE / "checkov" / "checkov.yaml").read_text().splitlines() if "- CKV" in line]
    assert skips
    assert [] == [line for line in skips if " # " not in line]
