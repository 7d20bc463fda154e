"""Render the page at /docs: the OpenAPI document in Swagger UI, as one file that fetches nothing else."""

from __future__ import annotations

import json
from typing import Any

# The browser blocks everything that the page could load from elsewhere. Requests that a reader tries go to the page's own host.
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


def render(document: dict[str, Any], *, script: str, style: str) -> str:
    """Render the page.

    Args:
        document: The OpenAPI document.
        script: Swagger UI's script.
        style: Swagger UI's style sheet.
    """
    inline = json.dumps(document).replace("<", "\\u003c")  # `</script>` in a string would end the script
    return _PAGE.format(style=style, script=script, document=inline)
