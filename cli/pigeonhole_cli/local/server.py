"""The server process of the local stack. One ASGI server serves ministack on one socket and the deployed API on another.

`local/process.py` opens the sockets, sets the environment and starts the process:
`python -m pigeonhole_cli.local.server AWS_FD API_FD LOCK_FD ROUTE_FILE`. The lock is that of the data folder. The route file
names the deployed API and its stage. It is read again whenever it changes.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pigeonhole.errors import InvalidRequest
from pigeonhole_cli.local.api_port import ApiPort
from pigeonhole_cli.local.batch import LocalBatch, definition_reader, in_front_of, role_assumer
from pigeonhole_cli.local.capacity import Capacity
from pigeonhole_cli.local.contract_shape import to_answer
from pigeonhole_cli.local.snapshots import Snapshots


def answer_broken_requests() -> None:
    """Answer what isn't HTTP in the contract's shape. The server's own answer has no body."""
    import h11
    from hypercorn.protocol.h11 import H11Protocol

    async def send_error_response(protocol: Any, status_code: int) -> None:
        error = InvalidRequest("The request is not valid HTTP. Its path must be percent-encoded; its headers may have 16 KB.")
        headers, body = to_answer(error)
        for event in (
            h11.Response(status_code=error.status, headers=[*headers, (b"connection", b"close")]),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            await protocol._send_h11_event(event)

    H11Protocol._send_error_response = send_error_response  # type: ignore[method-assign, assignment]


async def serve(aws_fd: int, api_fd: int, lock_fd: int, route_file: Path) -> None:
    """Serve until SIGINT, SIGTERM or the end of standard input. The state is saved meanwhile, and when the server stops."""
    import ministack.app
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.core.persistence import STATE_DIR
    from ministack.services import lambda_svc, sqs

    answer_broken_requests()

    # ministack finds queues by their address. With this start's port in it, the next start would lose the queues.
    sqs.DEFAULT_PORT, sqs._CANONICAL_NETLOC = "80", f"{sqs.DEFAULT_HOST}:80"

    # ministack saves the read position of a stream, but not the stream's records. With the old position, it would skip new
    # records.
    restore = lambda_svc._restore_esm_positions
    lambda_svc._restore_esm_positions = lambda store, positions: (
        None if store is lambda_svc._dynamodb_stream_positions else restore(store, positions)
    )

    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin.fileno(), ended.set)  # readable only at its end, when the parent process has ended

    snapshots = Snapshots(Path(STATE_DIR), ministack.app._build_persistence_save_dict, route_file.exists, lock_fd)
    ministack.app.save_all = lambda services: snapshots.save()  # ministack calls it when the server stops
    saving = asyncio.create_task(snapshots.run())

    with socket.socket(fileno=socket.dup(aws_fd)) as aws:
        aws_port = aws.getsockname()[1]
    batch = LocalBatch(definition_reader(route_file), role_assumer(aws_port), _publish_failure)
    running = asyncio.create_task(batch.run())

    async def wait_for_end() -> None:
        await ended.wait()
        await batch.stop()  # while the server still answers, so that a GPU worker can store what it has

    with socket.socket(fileno=socket.dup(api_fd)) as api:
        api_port = api.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{aws_fd}", f"fd://{api_fd}"]
    config.keep_alive_timeout = 75
    emulator = in_front_of(snapshots.watch(ministack.app.app), batch)
    front = ApiPort(emulator, api_port, route_file, Capacity.of_this_machine())
    await hypercorn_serve(front.handle, config, shutdown_trigger=wait_for_end)  # type: ignore[arg-type]
    running.cancel()
    saving.cancel()


def _publish_failure(detail: Mapping[str, Any]) -> None:
    """Publish an event of AWS Batch. A client may not publish events of AWS, so it can't go through ministack's port."""
    from ministack.services import eventbridge

    event = {"Source": "aws.batch", "DetailType": "Batch Job State Change", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [event]}, allow_aws_source=True)


def main() -> None:
    """Serve with the arguments of the command line."""
    aws_fd, api_fd, lock_fd = map(int, sys.argv[1:4])
    asyncio.run(serve(aws_fd, api_fd, lock_fd, Path(sys.argv[4])))


if __name__ == "__main__":
    main()
