"""What clients read in responses."""

from __future__ import annotations

from http import HTTPStatus

from hypothesis import HealthCheck, settings

from tests.wire import Reply

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def probabilities(reply: Reply) -> dict[str, float]:
    assert reply.status == HTTPStatus.OK, reply.body
    found: dict[str, float] = reply.json()["probabilities"]
    return found


def problem(reply: Reply, status: int, reason: str) -> str:
    """The detail of a problem."""
    assert (reply.status, reply.json()["reason"]) == (status, reason), reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    return str(reply.json()["detail"])
