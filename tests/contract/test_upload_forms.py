"""ports.UploadForms: the fields of S3's adapter are those of the fake, and what S3 checks besides is signed."""

from __future__ import annotations

import base64
import json

import boto3
from botocore.config import Config

from pigeonhole.aws.s3 import S3UploadForms
from support.fakes import FakeUploadForms
from support.moto_aws import REGION

ASKED = ("uploads/acme/1.png", "image/png", 5, 10, 60)


def test_a_forms_fields_are_the_fakes_and_its_policy_says_what_is_taken() -> None:
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})  # as wiring makes it
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x", config=config)

    url, fields = S3UploadForms(client, "jobs").form(*ASKED)

    _, fakes = FakeUploadForms().form(*ASKED)
    assert url.startswith("https://jobs.s3.")
    assert fields.items() >= fakes.items()
    conditions = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    assert {"key": ASKED[0]} in conditions
    assert {"Content-Type": "image/png"} in conditions
    assert ["content-length-range", 5, 10] in conditions
    assert {"bucket": "jobs"} in conditions
