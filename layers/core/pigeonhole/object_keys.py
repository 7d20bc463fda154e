"""Every S3 prefix, object key and grant of a deployment.

bucket   prefix        rest of the object key          holds
-------  ------------  ------------------------------  --------------------------------------------------------
job      inputs/       TENANT/JOB.json                 a job's input
job      results/      TENANT/JOB/results.json         a job's results that are too large for an HTTP answer
job      results/      TENANT/JOB/custom-ids.json      the callers' names of a job's samples, if there are any
job      results/      TENANT/JOB/START-RANDOM.json.gz the results of one part of a job
job      bulk/         TENANT/JOB/spec.json            what a bulk job classifies, and how
job      bulk/         TENANT/JOB/plan/SEGMENT.json    a segment of its plan: spans of its manifest
job      bulk/         TENANT/JOB/manifest/BYTE-SHA256 a part of its manifest, if the input can't be read by ranges
job      bulk/         TENANT/JOB/gpu/RUN-TASK.json    the spans of a task of a GPU run
job      bulk/         TENANT/JOB/pieces/SPAN-LINE     results of a part of a span, until the span is complete
job      bulk/         TENANT/JOB/first-files.json     its first parts and errors parts, for the links of the job
job      bulk/         TENANT/JOB/results/...          its results parts, errors parts and results manifest
job      label-sets/   TENANT/LABEL_SET/SHA256         an image of a label
job      embeddings/   TENANT/LABEL_SET/SHA256.MODEL   the embedding of that image by one revision of the model
job      embeddings/   TENANT/prompts/SHA256           the embeddings of the prompts of a request
upload   uploads/      TENANT/ID-FILENAME              an image that a request or job will name
upload   uploads/      TENANT/files/KEY                a file of the caller's file store
upload   incoming/     TENANT/LABEL_SET/...            a file that is classified by the label set on arrival
upload   results/      TENANT/LABEL_SET/JOB.jsonl      the results of a job's files, one per line

Nothing here reads or writes S3.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.spans import Span
from pigeonhole.ids import new_id
from pigeonhole.tenants.tenant import TENANT_ID

if TYPE_CHECKING:  # for functions/classify, as in ports.py
    from pigeonhole.contract.messages import StagedManifest

JOB_INPUTS = "inputs/"
JOB_RESULTS = "results/"
BULK = "bulk/"
LABEL_IMAGES = "label-sets/"
EMBEDDINGS = "embeddings/"

UPLOADS = "uploads/"
INCOMING = "incoming/"
UPLOAD_RESULTS = "results/"

MAX_KEY_BYTES = 1024  # S3's limit for an object key in UTF-8
MAX_NAME_CHARS = 100  # of a caller's filename in an object key

# --- the job bucket ----------------------------------------------------------------------------------------------------------


def job_input_key(tenant_id: str, job_id: str) -> str:
    """Return the key of a job's JobInput."""
    return f"{JOB_INPUTS}{tenant_id}/{job_id}.json"


def job_results_key(tenant_id: str, job_id: str) -> str:
    """Return the key of a job's results, for results that are too large for an HTTP answer."""
    return f"{JOB_RESULTS}{tenant_id}/{job_id}/results.json"


def job_names_key(tenant_id: str, job_id: str) -> str:
    """Return the key of the names that the caller gave the samples and the questions of a job."""
    return f"{JOB_RESULTS}{tenant_id}/{job_id}/names.json"


def sample_digits(index: int) -> str:
    """Write a sample's index as six digits, so that object keys and item keys sort as the samples do."""
    return f"{index:06d}"


def part_key(tenant_id: str, job_id: str, span: Span) -> str:
    """Create a key for a part's results.

    Two workers never share a key, so the worker whose part is rejected can't replace the other worker's object.
    """
    return f"{JOB_RESULTS}{tenant_id}/{job_id}/{sample_digits(span.start)}-{secrets.token_hex(8)}.json.gz"


def bulk_spec_key(tenant_id: str, job_id: str) -> str:
    """Return the key of a bulk job's BulkSpec."""
    return f"{BULK}{tenant_id}/{job_id}/spec.json"


def bulk_segment_key(tenant_id: str, job_id: str, number: int) -> str:
    """Return the key of a segment of a bulk job's plan."""
    return f"{BULK}{tenant_id}/{job_id}/plan/{number:05d}.json"


def bulk_staged_key(tenant_id: str, job_id: str, staged: StagedManifest) -> str:
    """Return the key of a staged part of a bulk job's manifest. Another content has another key."""
    return f"{BULK}{tenant_id}/{job_id}/manifest/{staged.start_byte:015d}-{staged.sha256}"


def bulk_gpu_task_key(tenant_id: str, job_id: str, run: int, index: int) -> str:
    """Return the key of the spans of a GPU run's task."""
    return f"{BULK}{tenant_id}/{job_id}/gpu/{run:05d}-{index:05d}.json"


def bulk_piece_key(tenant_id: str, job_id: str, span: int, first_line: int) -> str:
    """Return the key of the results of a span's lines from `first_line` on."""
    return f"{BULK}{tenant_id}/{job_id}/pieces/{span:05d}-{first_line}.json.gz"


def bulk_first_files_key(tenant_id: str, job_id: str) -> str:
    """Return the key of the results manifest of a bulk job's first files only."""
    return f"{BULK}{tenant_id}/{job_id}/first-files.json"


def bulk_results_prefix(tenant_id: str, job_id: str) -> str:
    """Return the prefix of a bulk job's results, with a slash at its end."""
    return f"{BULK}{tenant_id}/{job_id}/results/"


def label_image_key(tenant_id: str, label_set: str, sha256: str) -> str:
    """Return the key of a label's image. The same image of a label set always has the same key."""
    return f"{LABEL_IMAGES}{tenant_id}/{label_set}/{sha256}"


def embedding_key(image_key: str, model_revision: str, engine: str) -> str:
    """Return the key of a label image's embedding.

    Each revision of a model has embeddings of its own in each engine: those in int8 differ slightly from those in float32.

    Args:
        image_key: The image's `label_image_key`.
        model_revision: The revision of the model that made the embedding.
        engine: The engine that ran the model.
    """
    digest = hashlib.sha256(f"{model_revision} {engine}".encode()).hexdigest()[:16]
    return f"{EMBEDDINGS}{image_key.removeprefix(LABEL_IMAGES)}.{digest}"


def prompts_key(tenant_id: str, model_revision: str, engine: str, prompts: Sequence[str]) -> str:
    """Return the key of the embeddings of prompts. No embedding of a label's image has a key like it.

    Args:
        tenant_id: The tenant whose request has the prompts.
        model_revision: The revision of the model that made the embeddings.
        engine: The engine that ran the model.
        prompts: The prompts, in the order of their embeddings.
    """
    digest = hashlib.sha256(json.dumps([model_revision, engine, *prompts]).encode()).hexdigest()
    return f"{EMBEDDINGS}{tenant_id}/prompts/{digest}"


def label_images_grant(tenant_id: str, bucket: str) -> S3Grant:
    """Grant a tenant the images of its label sets."""
    return S3Grant(bucket=bucket, prefix=f"{LABEL_IMAGES}{tenant_id}/")


# --- the upload bucket -------------------------------------------------------------------------------------------------------


def uploads_grant(tenant_id: str, bucket: str) -> S3Grant:
    """Grant a tenant the images that it uploaded for requests and jobs."""
    return S3Grant(bucket=bucket, prefix=f"{UPLOADS}{tenant_id}/")


def stored_file_key(tenant_id: str, file_key: str) -> str:
    """Return the key of a file in the caller's file store. It lies within `uploads_grant`, so requests can name it."""
    return f"{UPLOADS}{tenant_id}/files/{file_key}"


def incoming_grant(tenant_id: str, bucket: str) -> S3Grant:
    """Grant a tenant the files that it uploaded to be classified on arrival."""
    return S3Grant(bucket=bucket, prefix=f"{INCOMING}{tenant_id}/")


def upload_key(prefix: str, filename: str | None, now: float, endings: tuple[str, ...] = ()) -> str:
    """Create a key for an upload that can't be guessed and ends with the file's name.

    Of the file's name the key has letters, digits, `-`, `_` and dots.

    Args:
        prefix: The folder, with a slash at its end.
        filename: The caller's name of the file.
        now: Seconds since 1970. Keys of one prefix sort by it.
        endings: The first of them is appended unless the file's name already ends with one of them.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", filename or "").strip("-.")[-MAX_NAME_CHARS:]
    object_key = f"{prefix}{new_id(now)}" + (f"-{name}" if name else "")
    return object_key if not endings or object_key.lower().endswith(endings) else object_key + endings[0]


@dataclass(frozen=True)
class UploadLocation:
    """The folders of a file under `incoming/`.

    Attributes:
        tenant_id: The tenant that uploaded the file.
        label_set: The folder that names a label set. It may be no valid name; it is empty without such a folder.
    """

    tenant_id: str
    label_set: str

    @classmethod
    def parse(cls, object_key: str) -> UploadLocation | None:
        """Read the folders of an object key.

        Returns:
            None if the key isn't a tenant's file, such as the empty objects that S3's console creates as folders.
        """
        parts = object_key.split("/", 3)
        is_file = len(parts) >= 3 and not object_key.endswith("/")
        if not is_file or parts[0] + "/" != INCOMING or not TENANT_ID.fullmatch(parts[1]):
            return None
        return cls(parts[1], parts[2] if len(parts) == 4 else "")


def upload_results_key(tenant_id: str, label_set: str, job_id: str) -> str:
    """Return the key of the results of a job's files, which all lie in the folder of that label set."""
    return f"{UPLOAD_RESULTS}{tenant_id}/{label_set}/{job_id}.jsonl"
