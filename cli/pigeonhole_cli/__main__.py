"""The command `pigeonhole`. It imports nothing that could be missing before it can say so."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. A package that isn't installed ends it with one line that says what to do."""
    try:
        from pigeonhole_cli.main import app

        app()
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        sys.exit(
            f"error: the package {package} is missing. Install everything anew: rm -r .venv && make start; "
            "or, in an environment of your own: pip install -e '.[onnx,torch,local]'"
        )


if __name__ == "__main__":
    main()
