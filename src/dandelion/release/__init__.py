"""Releases of model versions: the promotion gate, the plan of aliases, deployment and rollback."""
