"""The OpenAPI document is part of the product: what it says is asked for, and what is answered is what it says.

Cases are drawn by schemathesis from the document alone, right ones and wrong ones, always the same. They go through the
whole application in this process, for a regulator (who sees most) and for a customer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.http.app import PREFIX
from tests.gateway.api.site import Site
from tests.gateway.api.test_who_sees_what import ROLES, rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60, func_only=True)]  # the town is built once, for all of them
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
_RIGHT, _WRONG = 4, 3
"""Cases of each route."""
_LEFT_OUT: Final = {f"DELETE {PREFIX}/session", f"GET {PREFIX}/live"}
"""Who leaves sees nothing more; who listens is answered without an end."""
_PARTS: Final = 8
"""So that each test is short."""


def operations(site: Site) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(site.app.openapi())
    for found in schema.get_all_operations():
        yield found.ok()


def drawn(operation: Any, mode: GenerationMode, count: int) -> list[Any]:
    cases: list[Any] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        cases.append(case)

    with contextlib.suppress(Unsatisfiable):  # a route that takes nothing cannot be asked wrongly
        collect()
    return cases


async def sent(case: Any, client: httpx.AsyncClient) -> httpx.Response:
    made = requests.Request(**case.as_transport_kwargs(base_url="https://console.utility.example")).prepare()
    headers = {name: value for name, value in made.headers.items() if name.lower() not in {"cookie", "origin"}}
    return await client.request(made.method or "", made.url or "", content=made.body or b"", headers=headers)


@pytest.mark.parametrize("part", range(_PARTS))
async def test_every_answer_is_as_the_document_says(site: Site, part: int) -> None:
    wrong: list[str] = []
    async with site.looking("regulator") as regulator, site.looking("customer") as customer:
        for operation in list(operations(site))[part::_PARTS]:
            if operation.label in _LEFT_OUT:
                continue
            cases = drawn(operation, GenerationMode.POSITIVE, _RIGHT) + drawn(
                operation, GenerationMode.NEGATIVE, _WRONG
            )
            for number, case in enumerate(cases):
                response = await sent(case, customer if number % 3 == 0 else regulator)
                try:
                    case.validate_response(response, checks=_CHECKS)
                except BaseExceptionGroup as failed:
                    told = f"{failed.exceptions[0]!s:.600}"
                    wrong.append(f"{operation.label}: {told}\n{response.request.url} {response.text[:300]}")
    assert not wrong, f"{len(wrong)}\n" + "\n\n".join(wrong[:10])


async def test_answers_with_something_in_them_are_as_the_document_says(site: Site) -> None:
    """What the table of routes and roles asks: drawn cases seldom meet a thing that is there."""
    schema = schemathesis.openapi.from_dict(site.app.openapi())
    for name, row in rows().items():
        method, path = name.split(" ")[:2]
        if method != "GET":
            continue
        operation = schema[f"{PREFIX}{path}"][method]
        for who in ROLES:
            response = await site.get(who, row.path if isinstance(row.path, str) else row.path(site))
            assert response.status_code < 500
            operation.validate_response(response)
