"""Start functions/api from the output of `sam build`, and check that it imports no heavy package. Run by .ci/sam_build."""

import json
import os
import sys
import types

os.environ.update(
    AWS_DEFAULT_REGION="us-east-1",
    POWERTOOLS_TRACE_DISABLED="true",
    PIGEONHOLE_TABLE_NAME="table",
    PIGEONHOLE_CLASSIFY_FUNCTION="function",
    PIGEONHOLE_JOB_BUCKET="jobs",
    PIGEONHOLE_JOB_QUEUE="https://sqs.us-east-1.amazonaws.com/111122223333/chunks",
    PIGEONHOLE_PLAN_FUNCTION="plan",
    PIGEONHOLE_PLAN_QUEUE="https://sqs.us-east-1.amazonaws.com/111122223333/plans",
    PIGEONHOLE_UPLOAD_BUCKET="uploads",
)
import handler

event = {"httpMethod": "GET", "path": "/v1/health", "headers": {}, "requestContext": {"requestId": "r"}}
context = types.SimpleNamespace(
    function_name="api",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:api",
    aws_request_id="r",
)
answer = handler.handler(event, context)
if answer["statusCode"] != 200:
    sys.exit(f"functions/api: must answer 200, not {answer}")
heavy = sorted(name for name in ("numpy", "PIL", "httpx", "onnxruntime", "torch") if name in sys.modules)
if heavy:
    sys.exit(f"functions/api: must not import {', '.join(heavy)}")
print("functions/api starts from the build and answers", json.loads(answer["body"]))
