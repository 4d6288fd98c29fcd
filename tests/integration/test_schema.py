"""Whatever a client makes of the OpenAPI schema, the answer is one that the schema tells of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
import requests
import schemathesis

# Imported now: as late as it would import itself, deep in Hypothesis's stack, Python 3.11 may fail to compile it.
import schemathesis.specs.openapi.object_authorization
from hypothesis import HealthCheck, given, settings
from litestar.serialization import encode_json
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from dandelion.api.app import create_app
from dandelion.settings import Settings
from tests.integration.conftest import Api

# As it travels: through JSON.
SCHEMA = schemathesis.openapi.from_dict(json.loads(encode_json(create_app(Settings()).openapi_schema.to_schema())))
OPERATIONS: dict[str, Any] = {
    operation.label: operation for result in SCHEMA.get_all_operations() if (operation := cast("Any", result).ok())
}

# No schema says which bytes are a photo, or which text is a file of labels.
CONTENT_MATTERS = {"POST /predict", "POST /explain", "POST /compare", "POST /feedback/bulk"}
# No Prefect runs beside this API, which may say so; `tests/flows` asks with one.
ELSEWHERE = {name for name in OPERATIONS if "/admin/retrainings" in name}


# What is taken though the schema has it otherwise harms nobody: seconds since 1970 are a time, too.
LENIENT = [negative_data_rejection]
# Requests that carry nothing, or only names, of which any text is one.
NEVER_WRONG = {name for name, each in OPERATIONS.items() if not (each.body or [*each.iter_parameters()])} | {
    "GET /models/{version}",
    "GET /models/{version}/plots/{name}",
}
# Of what takes only a `limit` or an id. Several routes take the same one, and it can be wrong in a few ways only.
FEW = {name for name, each in OPERATIONS.items() if not each.body and len([*each.iter_parameters()]) <= 1}
EXAMPLES, FEWER_EXAMPLES = 40, 12
CASES = [(name, mode) for name in OPERATIONS for mode in GenerationMode if mode.is_positive or name not in NEVER_WRONG]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all requests."""
    with requests.Session() as opened:
        opened.trust_env = False  # else each request looks for a file of passwords
        yield opened


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_every_answer_is_as_documented(api: Api, session: requests.Session, name: str, mode: GenerationMode) -> None:
    @given(case=OPERATIONS[name].as_strategy(mode))
    @settings(
        max_examples=FEWER_EXAMPLES if name in FEW else EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def try_it(case: Any) -> None:
        refusable = [positive_data_acceptance] if name in CONTENT_MATTERS else []
        failing = [not_a_server_error] if name in ELSEWHERE else []
        excluded = [*refusable, *failing, *LENIENT]
        case.call_and_validate(base_url=api.url, session=session, timeout=30, excluded_checks=excluded)

    try_it()


def test_every_route_is_described(api: Api) -> None:
    paths = {name.split()[1] for name in OPERATIONS}
    assert {"/predict", "/explain", "/feedback", "/feedback/bulk", "/predictions", "/model", "/accuracy"} <= paths
