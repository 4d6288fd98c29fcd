"""Flows: asked for and looked at over Prefect's HTTP API, which needs no Prefect; served and deployed with it."""
