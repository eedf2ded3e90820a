"""The OpenAPI description against the running server: schemathesis sends what it allows, and what it does not."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

schemathesis = pytest.importorskip("schemathesis")
positive_data_acceptance = pytest.importorskip("schemathesis.specs.openapi.checks").positive_data_acceptance


OPERATIONS = [
    ("POST", "/v1/verifications", "positive"),
    ("POST", "/v1/verifications", "negative"),
    ("GET", "/v1/verifications/{number}", "positive"),
    ("GET", "/v1/verifications/{number}", "negative"),
    ("DELETE", "/v1/verifications/{number}", "positive"),
    ("GET", "/v1/verifications/{number}/report.html", "positive"),
    ("GET", "/v1/manifests", "positive"),
    ("GET", "/v1/manifests", "negative"),
    ("GET", "/v1/manifests/{manifest_id}", "positive"),
    ("GET", "/v1/health", "positive"),
]


@pytest.mark.parametrize(("method", "path", "mode"), OPERATIONS)
def test_the_description_holds(public, method, path, mode):
    described = schemathesis.openapi.from_url(f"{public.address}/v1/openapi.json")
    cases = described[path][method].as_strategy(generation_mode=schemathesis.GenerationMode(mode))
    # Which bytes are media and which addresses are public no schema can say.
    beyond = [positive_data_acceptance] if method == "POST" else []

    @given(case=cases)
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case):
        case.call_and_validate(base_url=public.address, timeout=20, excluded_checks=beyond)

    check()


def test_the_description_names_every_route(public):
    paths = set(public.client.get("/v1/openapi.json").json()["paths"])
    assert paths == {
        "/v1/verifications",
        "/v1/verifications/{number}",
        "/v1/verifications/{number}/report.html",
        "/v1/verifications/{number}/events",
        "/v1/manifests",
        "/v1/manifests/{manifest_id}",
        "/v1/health",
    }
