"""The one DynamoDB table: what lies in it, and the stores behind the ports.

    pk                          sk              holds
    TENANT#<tenant id>          TENANT          a tenant                                  tenants.py
    KEY#<SHA-256>               KEY             an API key, found by a request
    KEYS                        <key id>        the same API key, listed by an operator
    SECRETS#<tenant id>         SECRETS         a tenant's webhook secrets                webhook_secrets.py
    RATE#<tenant id>            <window>        a count of requests                       rate_counter.py
    JOBS#<tenant id>            <job id>        a job; ids sort by time                   jobs.py
    PARTS#<tenant id>#<job id>  <first sample>  the result of a span of samples
    CLAIMS#<tenant id>          <SHA-256>       the job that an Idempotency-Key stands for
    LABELSETS#<tenant id>       <name>          a label set                               label_sets.py
    GONESETS#<tenant id>        <name>          the version of a deleted label set
    OBJECTS#<tenant id>         <object key>    the result of an upload                   upload_results.py

DynamoDB deletes an item some time after its `expires_at`. Each function's role may use only the kinds of items that it needs:
`dynamodb:LeadingKeys` in template.yaml.
"""
