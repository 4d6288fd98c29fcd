"""Prefect: triggering and listing runs over its HTTP API; serving and deploying the flows."""
