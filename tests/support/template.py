"""template.yaml, parsed once for all tests of a process."""

from __future__ import annotations

import copy
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

from pigeonhole_cli.local import stack

ROOT = Path(__file__).resolve().parents[2]


def read_template() -> dict[str, Any]:
    """Give a copy that the test may change."""
    return copy.deepcopy(_parsed())


@cache
def _parsed() -> dict[str, Any]:
    return stack.read_template(ROOT / "template.yaml")


def translate(template: dict[str, Any] | None = None) -> dict[str, Any]:
    """Translate the template, or a changed copy of it, to CloudFormation's own resources, as AWS does after a build."""
    template = template or read_template()
    sources = {"AWS::Serverless::LayerVersion": "ContentUri", "AWS::Serverless::Function": "CodeUri"}
    for resource in template["Resources"].values():
        if resource["Type"] in sources:
            is_image = resource["Properties"].get("PackageType") == "Image"
            resource["Properties"]["ImageUri" if is_image else sources[resource["Type"]]] = "s3://bucket/built"
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": "eu-west-1"}):
        translated: dict[str, Any] = transform(template, {}, ManagedPolicyLoader(None))
    return translated


def find_all(node: object, name: str) -> list[Any]:
    """Return all values of a key, such as `Ref`, at any depth."""
    if isinstance(node, dict):
        own = [node[name]] if name in node else []
        return own + [value for child in node.values() for value in find_all(child, name)]
    return [value for child in node for value in find_all(child, name)] if isinstance(node, list) else []


def list_references(node: object) -> set[str]:
    """Return the logical ids, parameters and pseudo parameters that a part of a template refers to."""
    attributes = find_all(node, "Fn::GetAtt")
    texts = [text if isinstance(text, str) else text[0] for text in find_all(node, "Fn::Sub")]
    return {
        *find_all(node, "Ref"),
        *(attribute.partition(".")[0] if isinstance(attribute, str) else attribute[0] for attribute in attributes),
        *(name.partition(".")[0] for text in texts for name in re.findall(r"\$\{([^!}]+)\}", text)),
    }
