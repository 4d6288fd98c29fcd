"""Whatever a client makes of the OpenAPI schema, the answer is one that the schema tells of."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
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
CASES = [(name, mode) for name in OPERATIONS for mode in GenerationMode if mode.is_positive or name not in NEVER_WRONG]


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_every_answer_is_as_documented(api: Api, name: str, mode: GenerationMode) -> None:
    @given(case=OPERATIONS[name].as_strategy(mode))
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def try_it(case: Any) -> None:
        refusable = [positive_data_acceptance] if name in CONTENT_MATTERS else []
        failing = [not_a_server_error] if name in ELSEWHERE else []
        case.call_and_validate(base_url=api.url, timeout=30, excluded_checks=[*refusable, *failing, *LENIENT])

    try_it()


def test_every_route_is_described(api: Api) -> None:
    paths = {name.split()[1] for name in OPERATIONS}
    assert {"/predict", "/explain", "/feedback", "/feedback/bulk", "/predictions", "/model", "/accuracy"} <= paths
