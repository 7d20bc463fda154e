"""UploadForms: S3's adapter has the fields of the fake, and its policy signs the limits."""

from __future__ import annotations

import base64
import json

import boto3
from botocore.config import Config

from pigeonhole.aws.s3 import S3UploadForms
from support.fakes import FakeUploadForms
from support.moto_aws import REGION

ARGUMENTS = ("uploads/acme/1.png", "image/png", 5, 10, 60)


def test_a_form_has_the_fields_of_the_fake_and_its_policy_has_the_limits() -> None:
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})  # as wiring creates it
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x", config=config)

    url, fields = S3UploadForms(client, "jobs").create_form(*ARGUMENTS)

    _, fake_fields = FakeUploadForms().create_form(*ARGUMENTS)
    assert url.startswith("https://jobs.s3.")
    assert fields.items() >= fake_fields.items()
    conditions = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    assert {"key": ARGUMENTS[0]} in conditions
    assert {"Content-Type": "image/png"} in conditions
    assert ["content-length-range", 5, 10] in conditions
    assert {"bucket": "jobs"} in conditions
