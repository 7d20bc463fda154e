"""Render the page at /docs: the OpenAPI document in Swagger UI, as one file that fetches nothing else.

It has the playground's look. Below the operations it describes each error code, and errors link there.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from typing import Any

from pigeonhole.api.page import Page
from pigeonhole.errors import BY_CODE, PigeonholeError

_START = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
SwaggerUIBundle({{
  dom_id: "#swagger-ui",
  spec: {document},
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis],
}});
// What lies above an error that the address names grows while Swagger UI renders, until the reader does something.
// Swagger UI puts a slash before the name.
const named = () => document.getElementById(/^#[/]?(error-\\w+)$/.exec(location.hash)?.[1]);
const show = () => named()?.scrollIntoView();
const mark = () => document.querySelectorAll(".errors div").forEach((row) => row.classList.toggle("named", row === named()));
const grown = new ResizeObserver(show);
grown.observe(document.querySelector("#swagger-ui"));
for (const input of ["wheel", "keydown", "pointerdown"]) addEventListener(input, () => grown.disconnect(), {{ once: true }});
addEventListener("hashchange", mark);
mark();
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Pigeonhole API</title>
<link rel="icon" href="data:,">
<style>{swagger_style}</style>
<style>{style}</style>
</head>
<body class="docs">
<header class="bar">
  <a class="brand" href="{home}">{logo}Pigeonhole</a>
  <nav aria-label="Pages">{links}</nav>
</header>
<main>
<div id="swagger-ui"></div>
<section class="panel errors" aria-labelledby="errors">
<h2 id="errors">Errors</h2>
<p class="lead">The code of an error says what happened. Its message says how to fix it.</p>
<dl>
{errors}
</dl>
</section>
</main>
<script>{script}</script>
<script>{start}</script>
</body>
</html>
"""


def render(
    document: dict[str, Any], *, swagger_script: str, swagger_style: str, style: str, logo: str, has_playground: bool
) -> Page:
    """Render the page.

    Args:
        document: The OpenAPI document.
        swagger_script: Swagger UI's script.
        swagger_style: Swagger UI's style sheet.
        style: The style sheet of this project's pages.
        logo: The logo, as SVG.
        has_playground: Whether the page links to the playground.
    """
    inline = json.dumps(document).replace("<", "\\u003c")  # `</script>` in a string would end the script
    start = _START.format(document=inline)
    page = _PAGE.format(
        swagger_style=swagger_style,
        style=style,
        home="./" if has_playground else "docs",
        logo=logo,
        links=_links(has_playground),
        errors="\n".join(_describe(error) for error in sorted(BY_CODE.values(), key=lambda error: (error.status, error.code))),
        script=swagger_script,
        start=start,
    )
    return Page(page.encode("utf-8"), "text/html; charset=utf-8", _policy([swagger_script, start]))


def _links(has_playground: bool) -> str:
    playground = '<a href="./">Playground</a>' if has_playground else ""
    return f'{playground}<a href="docs" aria-current="page">API docs</a><a href="openapi.json">openapi.json</a>'


def _describe(error: type[PigeonholeError]) -> str:
    summary = re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape((error.__doc__ or "").partition("\n")[0]))
    retry = "A retry may help." if error.retryable else "A retry doesn't help."
    return f'<div id="error-{error.code}"><dt><code>{error.code}</code> {error.status}</dt><dd>{summary} {retry}</dd></div>'


def _policy(scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy: nothing from elsewhere, and no script but these. A trial goes to the page's host."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
