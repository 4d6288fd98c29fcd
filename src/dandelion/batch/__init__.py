"""Batch prediction: photos cut into shards, one row for each photo, one Parquet file."""
