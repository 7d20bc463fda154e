"""Errors that say how to correct a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pigeonhole.client import ApiError, ClientError, ConnectionFailed
from pigeonhole.errors import SampleError
from pigeonhole_cli.mcp.folders import FileRefused

# By the code of an error of the API: what an agent can do about it.
ADVICE = {
    "invalid_api_key": "No argument helps: the user has to start this server with a valid key in JIGSAWSTACK_API_KEY.",
    "not_found": "Check the job_id: submit_job returned it.",
    "too_large": "Send fewer or smaller samples, or use submit_job.",
    "timed_out": "Send fewer samples, or use submit_job.",
    "overloaded": "Wait a minute, then repeat the call.",
    "rate_limited": "Wait, then repeat the call.",
}
# By the path of a fault. The API's message names a route of its own.
PATH_ADVICE = {"label_set": "The tool list_label_sets has the names."}
UNREACHABLE = "No argument helps: the user has to start the service (`make start`), or to correct --url."


@contextmanager
def reported() -> Iterator[None]:
    """Report the errors of the client and of files to the agent.

    Raises:
        ToolError: The call failed. The message says what to change.
    """
    try:
        yield
    except ApiError as error:
        details = [f"{fault.path}: {fault.message}" for fault in error.details]
        message = error.message if not details or error.message in details else f"{error.message}:"
        advice = [ADVICE.get(error.code, ""), *(PATH_ADVICE.get(fault.path, "") for fault in error.details)]
        raise ToolError(_lines([message, *(line for line in details if line != error.message), *advice])) from error
    except ConnectionFailed as error:
        raise ToolError(_lines([str(error), UNREACHABLE])) from error
    except SampleError as error:
        raise ToolError(f"An example image of a label can't be used: {error.message}") from error
    except (ClientError, FileRefused) as error:
        raise ToolError(str(error)) from error


def explain_arguments(error: ValidationError) -> str:
    """Return a line for each fault of the arguments, with its place. The caller's values aren't repeated."""
    return _lines(
        [f"{_place(fault['loc'])}: {_reason(fault)}" for fault in error.errors(include_url=False, include_input=False)]
    )


def _place(location: tuple[int | str, ...]) -> str:
    """Return where a fault is, without the tags of pydantic's unions."""
    return ".".join(str(part) for part in location if part not in ("text", "described")) or "arguments"


def _reason(fault: ErrorDetails) -> str:
    if fault["type"] == "model_type":
        return "must be an object, as the schema of the tool describes it"
    return fault["msg"].removeprefix("Value error, ")


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)
