"""Print the OpenAPI document.

python -m pigeonhole_cli.openapi > docs/openapi.json
"""

from __future__ import annotations

import sys

from pigeonhole.api import openapi

if __name__ == "__main__":
    sys.stdout.buffer.write(openapi.as_json().encode("utf-8"))
