"""List prices in US dollars. Those of AWS are of us-east-1, on demand, without the free tier, for the first tier of volume.

A comment names where a price is published. A block has the day of its prices.
"""

from __future__ import annotations

# 26 November 2026
LAMBDA_ARM64_USD_PER_GB_S = 0.0000133334  # aws.amazon.com/lambda/pricing
LAMBDA_X86_USD_PER_GB_S = 0.0000166667
LAMBDA_USD_PER_RUN = 0.20 / 1e6
SQS_USD_PER_REQUEST = 0.40 / 1e6  # of a standard queue: aws.amazon.com/sqs/pricing
DYNAMODB_USD_PER_WRITE_UNIT = 0.625 / 1e6  # aws.amazon.com/dynamodb/pricing/on-demand
DYNAMODB_USD_PER_READ_UNIT = 0.125 / 1e6
S3_USD_PER_PUT = 0.005 / 1e3  # a LIST costs as much: aws.amazon.com/s3/pricing
S3_USD_PER_GET = 0.0004 / 1e3
EVENTBRIDGE_USD_PER_EVENT = 1.00 / 1e6  # aws.amazon.com/eventbridge/pricing
G6_XLARGE_USD_PER_H = 0.8048  # 4 vCPUs, 16 GiB, one NVIDIA L4: aws.amazon.com/ec2/pricing/on-demand
G6_XLARGE_SPOT_USD_PER_H = G6_XLARGE_USD_PER_H / 2  # an assumption: a Spot price changes by the hour and the zone

# 1 December 2026
API_GATEWAY_USD_PER_REQUEST = 3.50 / 1e6  # of a REST API: aws.amazon.com/api-gateway/pricing
LOGS_USD_PER_GB = 0.50  # logs of Lambda functions, standard class: aws.amazon.com/cloudwatch/pricing
XRAY_USD_PER_TRACE = 5.00 / 1e6  # aws.amazon.com/xray/pricing

# 1 December 2026: other services, to compare with
REKOGNITION_USD_PER_IMAGE = 0.001  # DetectLabels, the first million in a month: aws.amazon.com/rekognition/pricing
# A hosted classifier of texts, by its three priorities: docs.classer.ai/pricing
CLASSER_USD_PER_TOKEN = {"batch": 0.08 / 1e6, "standard": 0.20 / 1e6, "fast": 0.60 / 1e6}
