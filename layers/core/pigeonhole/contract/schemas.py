"""Generate the JSON Schemas of the contract's models, under the names that clients know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

# Clients that are generated from the schemas have classes of these names, so renaming ours must not rename theirs.
PUBLISHED_NAMES = {"JobStatus": "Status"}


def json_schemas(
    models: Sequence[tuple[type[BaseModel], Literal["validation", "serialization"]]], ref_template: str
) -> dict[str, Any]:
    """Generate the schemas of models, and of what they refer to.

    Args:
        models: Each model, and whether it is received ("validation") or sent ("serialization").
        ref_template: How a schema refers to another one. `{model}` stands for the other's name.

    Returns:
        The document with every schema by its published name under `$defs`.
    """
    _, document = models_json_schema(models, ref_template=ref_template)
    for name, published in PUBLISHED_NAMES.items():
        if name in document["$defs"]:
            old_ref, new_ref = (json.dumps(ref_template.format(model=model)) for model in (name, published))
            document = json.loads(json.dumps(document).replace(old_ref, new_ref))
            document["$defs"][published] = document["$defs"].pop(name) | {"title": published}
    document["$defs"] = dict(sorted(document["$defs"].items()))
    return document
