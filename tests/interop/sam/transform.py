"""Prints the CloudFormation that AWS makes of a SAM template, as JSON: `.venv/bin/python transform.py TEMPLATE`."""

import json
import sys
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """No template of ours names a policy of AWS's."""

    def load(self):
        """By name: none."""
        return {}


if __name__ == "__main__":
    template = yaml_parse(Path(sys.argv[1]).read_text())
    for resource in template["Resources"].values():
        if "CodeUri" in resource["Properties"]:  # `sam deploy` uploads it first
            resource["Properties"]["CodeUri"] = "s3://bucket/phantomgate-lambda.zip"
    print(json.dumps(transform(template, {}, NoManagedPolicies())))
