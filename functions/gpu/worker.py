"""Process one task of a GPU run: `python -m functions.gpu.worker`. AWS Batch starts it in a container.

The exit code is 0 if nothing of the task is left to do, 75 if it must be started again, and 1 after a fault. On SIGTERM, which
announces that the machine is taken away, the program stores what it has and exits with 75.
"""

from __future__ import annotations

import os
import signal
import sys
from threading import Event, Timer

from pigeonhole.bulk.gpu.task_worker import AGAIN, FAULT
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.errors import Overloaded
from pigeonhole.observability import observer
from pigeonhole.wiring import gpu, settings

MAX_STOP_S = 80.0  # after SIGTERM


def main() -> int:
    """Process the task that the environment names, and return the exit code."""
    stop, telemetry = Event(), observer("gpu")
    signal.signal(signal.SIGTERM, lambda number, frame: _stop(stop))
    telemetry.count("tasks")
    try:
        return _process(stop)
    except Overloaded:
        telemetry.logger.warning("the task could not be read, because the bucket is busy")
        return AGAIN
    except Exception as error:
        telemetry.report_failure(error, code="task_failed", message="a task could not be processed")
        return FAULT
    finally:
        telemetry.metrics.flush_metrics()


def _process(stop: Event) -> int:
    telemetry = observer("gpu")
    name, index = gpu.gpu_task_index()
    fields = {"job_id": name.job_id, "run": name.number, "task": index}
    service = gpu.gpu_task_worker(settings(), _report_fault)
    telemetry.logger.info("task begun", engine=service.worker.pipeline.describe().engine, **fields)
    outcome = service.run(name, index, stop)
    telemetry.count("samples", outcome.samples)
    telemetry.count("failed_samples", outcome.failed_samples)
    telemetry.logger.info(
        "task ended",
        spans=outcome.spans,
        samples=outcome.samples,
        faults=outcome.faults,
        open_spans=outcome.open_spans,
        exit_code=outcome.exit_code,
        **fields,
    )
    return outcome.exit_code


def _report_fault(message: SpanMessage, error: Exception) -> None:
    observer("gpu").report_failure(
        error, code="span_failed", message="a span could not be processed", job_id=message.job_id, span=message.number
    )


def _stop(stop: Event) -> None:
    """Have the worker stop, and end the process in time whatever it waits for. What isn't stored is classified again."""
    stop.set()
    end = Timer(MAX_STOP_S, os._exit, (AGAIN,))
    end.daemon = True
    end.start()


if __name__ == "__main__":
    sys.exit(main())
