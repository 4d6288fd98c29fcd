"""Prefect: triggering and listing runs over its HTTP API; artifacts and shards of a run."""
