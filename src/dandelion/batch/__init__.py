"""Many photos at once: a manifest cut into shards, an answer or an error for each photo, one Parquet file."""
