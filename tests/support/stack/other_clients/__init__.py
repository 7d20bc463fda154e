"""Programs of other people's clients, which run in an environment of their own: ask_*.py here, and blocks of the README."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support import virtual_environments
from support.stack.deployment import Deployment

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class OtherClients:
    """The clients of requirements.txt.

    Attributes:
        environment: The folder of their virtual environment.
    """

    environment: Path

    def run(self, program: str, deployed: Deployment, *, cwd: Path, **variables: str) -> str:
        """Run a Python program with the variables of the README, and return what it prints.

        Args:
            program: The program.
            deployed: The stack that it calls.
            cwd: The folder in which it runs.
            variables: More environment variables.

        Raises:
            AssertionError: The program fails. The message has its errors.
        """
        sent = {"JIGSAWSTACK_API_URL": deployed.url, "JIGSAWSTACK_API_KEY": deployed.key, **variables}
        # Without this variable, LiteLLM fetches a list of prices when it is imported.
        environment = {**os.environ, **sent, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        command = [str(virtual_environments.python(self.environment)), "-"]
        done = subprocess.run(command, input=program, env=environment, cwd=cwd, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout


def install(cache: Path) -> OtherClients:
    """Return the clients, which are installed once into a folder of `cache`.

    Raises:
        CalledProcessError: pip can't install them.
    """
    return OtherClients(virtual_environments.with_requirements(FOLDER / "requirements.txt", cache / "other-clients"))
