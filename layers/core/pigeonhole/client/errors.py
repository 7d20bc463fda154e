"""The errors of the client.

    ClientError
    ├── ApiError           the API answered with an error: its code, message, details and log_id
    ├── ConnectionFailed   the API can't be reached, or didn't answer in time
    ├── UnexpectedAnswer   the address answers, but not like Pigeonhole
    └── JobNotEnded        a job hasn't ended in the time that the caller gave it

An error never holds the API key.
"""

from __future__ import annotations

from pigeonhole.errors import Fault


class ClientError(Exception):
    """Base of the tree. The message is one line that says what to do."""


class ApiError(ClientError):
    """The API answered with an error.

    Attributes:
        code: The error code. The README lists all of them.
        message: What is wrong, and how to fix it.
        details: The single faults, each with its path in the request.
        log_id: Names the request in the logs of the service.
        status: The HTTP status.
        retry_after_s: When the request may be tried again, None if the answer doesn't say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int,
        log_id: str,
        details: tuple[Fault, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        """Create an error. The arguments are the attributes."""
        super().__init__(f"{message} ({code}, log_id {log_id})")
        self.message = message
        self.code = code
        self.status = status
        self.log_id = log_id
        self.details = details
        self.retry_after_s = retry_after_s


class ConnectionFailed(ClientError):
    """The API can't be reached, or didn't answer in time."""


class UnexpectedAnswer(ClientError):
    """The address answers, but not like Pigeonhole."""


class JobNotEnded(ClientError):
    """A job hasn't ended in the time that the caller gave it. The job continues."""
