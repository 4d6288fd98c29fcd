"""How long to try again while a server does not respond, by who waits for it."""

from __future__ import annotations

REQUEST_PATIENCE_SECONDS = 2.0  # a client of the API
COMMAND_PATIENCE_SECONDS = 10.0  # a person at a terminal
JOB_PATIENCE_SECONDS = 30.0  # nobody: a flow or a backup runs
