"""Print a template of the resources that `sam delete` retains, to import them into a new stack.

    python -m pigeonhole_cli.deployment.retained > retained.json

An import takes only a template whose every resource is imported. So nothing in it refers to another resource: the upload bucket
has no notifications. The next `sam deploy` adds them, and all other resources. See "Deploy again with the old data" in
docs/operations.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from pigeonhole_cli.local.stack import read_template

ROOT = Path(__file__).resolve().parents[3]
RETAINED_TYPES = ("AWS::DynamoDB::Table", "AWS::S3::Bucket")
PARAMETERS = ("JobDays", "UploadDays")  # the buckets' lifecycle rules refer to them


def to_retained_template(template: dict[str, Any]) -> dict[str, Any]:
    """Return the part of template.yaml that an import takes."""
    resources = {name: item for name, item in template["Resources"].items() if item["Type"] in RETAINED_TYPES}
    for resource in resources.values():
        resource.pop("DependsOn", None)
        resource["Properties"].pop("NotificationConfiguration", None)
    return {
        "AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"],
        "Parameters": {name: template["Parameters"][name] for name in PARAMETERS},
        "Resources": resources,
    }


if __name__ == "__main__":
    typer.echo(json.dumps(to_retained_template(read_template(ROOT / "template.yaml")), indent=2))
