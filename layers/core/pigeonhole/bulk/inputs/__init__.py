"""The inputs of bulk jobs as JSONL: compressed files, Parquet files, and the objects below a prefix."""
