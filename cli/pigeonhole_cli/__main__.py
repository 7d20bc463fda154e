"""The entry point of `pigeonhole`. It imports the command line late, so that it can report a package that is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. If a package is missing, print how to install it and exit with an error.

    Ctrl-C before a command has started ends it without a traceback.
    """
    try:
        from pigeonhole_cli.main import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        sys.exit(
            f"error: the package {package} is missing. Reinstall everything: rm -r .venv && make start; "
            "or, in an environment of your own: pip install -e '.[onnx,torch,local]'"
        )


if __name__ == "__main__":
    main()
