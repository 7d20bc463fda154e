"""List prices of AWS in US dollars: us-east-1, on demand, without the free tier, as of 26 November 2026."""

from __future__ import annotations

LAMBDA_ARM64_USD_PER_GB_S = 0.0000133334
LAMBDA_X86_USD_PER_GB_S = 0.0000166667
LAMBDA_USD_PER_RUN = 0.20 / 1e6
SQS_USD_PER_REQUEST = 0.40 / 1e6
DYNAMODB_USD_PER_WRITE_UNIT = 0.625 / 1e6
DYNAMODB_USD_PER_READ_UNIT = 0.125 / 1e6
S3_USD_PER_PUT = 0.005 / 1e3  # a LIST costs as much
S3_USD_PER_GET = 0.0004 / 1e3
EVENTBRIDGE_USD_PER_EVENT = 1.00 / 1e6
G6_XLARGE_USD_PER_H = 0.8048  # 4 vCPUs, 16 GiB, one NVIDIA L4. Spot costs less, by the hour and the zone.
