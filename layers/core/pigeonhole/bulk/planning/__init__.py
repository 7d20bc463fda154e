"""Plan bulk jobs: divide their inputs into spans, have the spans classified, and end the jobs."""
