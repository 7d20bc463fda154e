"""Start functions/webhooks from the output of `sam build`, with the packages that it sends with. Run by .ci/sam_build."""

import os
import sys
import types

os.environ.update(
    AWS_DEFAULT_REGION="us-east-1",
    POWERTOOLS_TRACE_DISABLED="true",
    PIGEONHOLE_TABLE_NAME="table",
)
import handler

from pigeonhole.wiring import jobs, settings

jobs.webhook_deliverer(settings())
context = types.SimpleNamespace(
    function_name="webhooks",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:webhooks",
    aws_request_id="r",
)
answer = handler.handler({"Records": [{"messageId": "m", "body": "no message", "eventSource": "aws:sqs"}]}, context)
if answer != {"batchItemFailures": []}:
    sys.exit(f"functions/webhooks: must report no failed message, not {answer}")
print("functions/webhooks starts from the build")
