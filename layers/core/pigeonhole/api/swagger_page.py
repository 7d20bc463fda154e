"""The page at /docs: the OpenAPI document in Swagger UI, all in one file, nothing fetched from anywhere else."""

from __future__ import annotations

import json
from typing import Any

# The browser itself refuses whatever the page might try to load from elsewhere. Requests tried out go to where it came from.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pigeonhole API</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{script}</script>
<script>
SwaggerUIBundle({{
  dom_id: "#swagger-ui",
  spec: {document},
  validatorUrl: null,
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
}});
</script>
</body>
</html>
"""


def docs_page(document: dict[str, Any], *, script: str, style: str) -> str:
    """Render the page. `script`, `style`: Swagger UI's bundle, from the package that ships it."""
    inline = json.dumps(document).replace("<", "\\u003c")  # a string in it must not end the script
    return _PAGE.format(style=style, script=script, document=inline)
