"""What the platform answers, as the client gives it on: typed, with room for more, or as an exception."""

import copy
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.errors import Refusal, refusals
from paysaga_client import ApiError, UnexpectedAnswer, ValidationFailed, models
from paysaga_client.errors import kind_of
from tests.client.stage import RIGHT, Answer, Backend, Stage, problem
from tests.docs.pages import ROOT

REFUND: dict[str, Any] = {
    "paymentId": "pay_1", "amount": 100, "currency": "EUR", "status": "PENDING", "reason": None,
    "approvalId": None, "failureCode": None, "failureMessage": None,
    "createdAt": "2026-11-21T08:21:24.436Z", "updatedAt": "2026-11-21T08:21:24.436Z",
}  # fmt: skip


def test_the_synchronous_side_is_what_the_asynchronous_one_makes_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "client/derive.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_members_and_words_of_a_later_release_pass_through(stage: Stage, backend: Backend) -> None:
    stage.usual = Answer(body=RIGHT | {"reason": "on_the_house", "validTo": "2027-01-01T00:00:00Z", "cap": 3})
    check = await backend.check()
    assert check.reason == "on_the_house"
    assert check.valid_to == datetime(2027, 1, 1, tzinfo=UTC)
    assert check.model_extra == {"cap": 3}
    assert check.model_dump()["reason"] == "on_the_house"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"entitled":"perhaps"}', b"\xff"])
async def test_a_yes_that_cannot_be_read_is_no_yes(stage: Stage, backend: Backend, body: bytes) -> None:
    stage.usual = Answer(200, body)
    with pytest.raises(UnexpectedAnswer) as failure:
        await backend.check()
    assert "perhaps" not in str(failure.value)


@pytest.mark.parametrize("kind", list(refusals()), ids=lambda kind: kind.__name__)
def test_every_refusal_of_the_platform_arrives_as_its_own_kind(kind: type[Refusal]) -> None:
    ours = kind_of(kind.status, kind.code)
    assert ours.code_is in {kind.code, None}
    assert ours.status_is in {kind.status, None}
    others = {other.code for other in refusals() if other.status == kind.status}
    if len(others) > 1 and ours.code_is is None:
        # The ordinary one of its status, or one that is nobody's business to catch by name.
        assert kind.code in {
            "bad_request", "idempotency_key_missing", "malformed_json", "signature_missing", "unauthorized",
            "signature_invalid", "forbidden", "validation_failed", "temporarily_unavailable", "internal",
            # Of a route that is for operators.
            "payload_unreadable",
        }  # fmt: skip


def test_a_code_nobody_knows_yet_is_of_its_family() -> None:
    families = {
        400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
        418: "ApiError", 422: "ValidationFailed", 429: "RateLimited", 500: "ServerError",
        503: "ServiceUnavailable",
    }  # fmt: skip
    assert {status: kind_of(status, "brand_new").__name__ for status in families} == families


def through_a_queue(error: Exception) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


async def test_a_refusal_holds_all_that_was_said_and_travels(stage: Stage, backend: Backend) -> None:
    no = problem(422, "validation_failed")
    more = {"instance": "req-1", "errors": [{"pointer": "/a", "message": "b"}], "paymentId": "pay_1"}
    stage.usual = Answer(no.status, no.body | more, no.headers, no.type)
    with pytest.raises(ValidationFailed) as refusal:
        await backend.check()
    for error in (refusal.value, copy.copy(refusal.value), through_a_queue(refusal.value)):
        assert isinstance(error, ValidationFailed)
        assert (error.status, error.code, error.request_id) == (422, "validation_failed", "req-1")
        assert [(fault.pointer, fault.message) for fault in error.errors] == [("/a", "b")]
        assert (error.payment_id, error.remaining) == ("pay_1", None)
        assert "/a: b" in str(error)


@pytest.mark.parametrize("odd", [{"errors": "?"}, {"errors": [3]}, {"title": None}, {"code": 3}])
async def test_a_problem_that_is_none_is_no_trouble(stage: Stage, backend: Backend, odd: Any) -> None:
    no = problem(422, "validation_failed")
    stage.usual = Answer(no.status, no.body | odd, no.headers, no.type)
    with pytest.raises((ApiError, UnexpectedAnswer)):
        await backend.check()


async def test_a_list_that_grows_while_it_is_read_shows_everything_once(
    stage: Stage, backend: Backend
) -> None:
    page = [REFUND | {"id": f"ref_{number}"} for number in range(100)]
    moved = [REFUND | {"id": f"ref_{number}"} for number in range(98, 103)]
    stage.script = [Answer(body={"data": page}), Answer(body={"data": moved})]
    found = await backend.all("refunds", "iterate", payment_id="pay_1")
    assert [refund.id for refund in found] == [f"ref_{number}" for number in range(103)]
    assert [each.path for each in stage.tries] == [
        "/v1/refunds?paymentId=pay_1&limit=100&offset=0",
        "/v1/refunds?paymentId=pay_1&limit=100&offset=100",
    ]


async def test_times_need_a_zone_and_ids_are_one_segment(stage: Stage, backend: Backend) -> None:
    with pytest.raises(ValueError, match="zone"):
        await backend.do("payments", "list", created_from=datetime(2026, 1, 1))  # noqa: DTZ001 - that is it
    with pytest.raises(ValueError, match="id"):
        await backend.do("payments", "get", "..")
    stage.usual = problem(404, "not_found")
    with pytest.raises(ApiError):
        await backend.do("payments", "get", "../tenants/me?x=")
    assert stage.tries[-1].path == "/v1/payments/..%2Ftenants%2Fme%3Fx%3D"


async def test_none_is_a_value_where_something_is_changed(stage: Stage, backend: Backend) -> None:
    stage.usual = problem(403, "forbidden")
    with pytest.raises(ApiError):
        await backend.do(
            "tenants",
            "change_settings",
            default_provider=None,
            tax=models.NewTax(rate_basis_points=2700),
            routing_rules=[models.NewRoutingRule(providers=("sandbox",), currencies=("EUR",))],
        )
    assert stage.tries[0].body == (
        b'{"defaultProvider":null,"routingRules":[{"providers":["sandbox"],"currencies":["EUR"]}],'
        b'"tax":{"rateBasisPoints":2700}}'
    )
    assert stage.tries[0].headers["user-agent"].startswith("paysaga-client/")
