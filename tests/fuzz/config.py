"""What schemathesis is told: who asks, what is there, and what is counted as wrong."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.fuzz.stage import Stage

CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
)
# How often a place for a name gets one that exists; otherwise it is made up.
_KNOWN: Final = 0.8
# In queries they are written in another way than in paths.
_IN_QUERIES: Final = {
    "paymentId": "payment_id",
    "planId": "plan_id",
    "subscriptionId": "subscription_id",
    "priceId": "price_id",
    "token": "token",
}
# What is done there would lock out the one who asks, or take from it what others are asked about.
_DONE_BY_THE_SPARE: Final = (
    "/v1/tenants/me/settings",
    "/v1/tenants/me/providers/{provider}",
)


def write(stage: Stage, folder: Path) -> Path:
    """The configuration as a file of schemathesis'. It holds a token and the operator's key of the house."""
    path = folder / "schemathesis.toml"
    path.write_text("\n".join(_lines(stage)) + "\n")
    return path


def _lines(stage: Stage) -> Iterator[str]:
    yield _table("headers", _headers(stage.tenant.token, stage.tenant.house.admin["X-Admin-Key"]))
    # What one run found must not steer the next.
    yield "[cache]\nenabled = false"
    yield "[checks]\nenabled = false"
    for check in CHECKS:
        yield f"{check}.enabled = true"
    for name, values in stage.names.items():
        yield _table(f"dictionaries.{name}", {"values": values})
    places = {f"path.{name}": name for name in stage.names} | {
        f"query.{place}": name for place, name in _IN_QUERIES.items()
    }
    yield "[parameters]"
    for place, name in places.items():
        yield f"{json.dumps(place)} = {{ dictionary = {json.dumps(name)}, probability = {_KNOWN} }}"
    for path in _DONE_BY_THE_SPARE:
        yield "[[operations]]"
        yield f"include-path = {json.dumps(path)}"
        yield f'headers = {{ Authorization = "Bearer {stage.spare.token}" }}'


def _headers(token: str, admin_key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-Admin-Key": admin_key}


def _table(name: str, members: Mapping[str, object]) -> str:
    # A string or a list of strings is written in TOML as in JSON.
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in members.items())])
