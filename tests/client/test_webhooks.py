"""An event is believed when a secret of ours signed these very bytes just now, and read only then."""

import base64
import sys
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django  # type: ignore[import-untyped]  # it has no types
import httpx
import pytest
import standardwebhooks
from django.conf import settings as django_settings  # type: ignore[import-untyped]
from django.test import Client as DjangoClient  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from domain.events import body as event_body
from domain.signatures import new_secret, sign
from paysaga_client import Event
from paysaga_client.webhooks import (
    WebhookError,
    WebhookHeadersInvalid,
    WebhookSignatureInvalid,
    WebhookTimestampInvalid,
    WebhookUnreadable,
    verify,
)
from tests.docs.pages import codes

NOW = datetime.now(UTC)
STAMP = int(NOW.timestamp())
SECRET = new_secret(bytes(range(32)))
OTHER = new_secret(bytes(range(1, 33)))
BODY = event_body(
    {
        "id": "evt_1", "type": "payment.succeeded", "at": NOW, "tenant_id": "ten_1", "sequence": 7,
        "data": {"paymentId": "pay_1", "amount": 1990000, "metadata": {"cart": "Zoë"}, "late": False},
    },
    sandbox=True,
)  # fmt: skip


def signed(secret: str = SECRET, body: bytes = BODY, stamp: int = STAMP, **others: str) -> dict[str, str]:
    signature = sign(secret, "evt_1", stamp, body)
    headers = {"id": "evt_1", "timestamp": str(stamp), "signature": signature} | others
    return {f"webhook-{name}": value for name, value in headers.items()}


def test_what_the_platform_signs_arrives_typed() -> None:
    event = verify(SECRET, signed(), BODY, now=NOW)
    assert (event.event_id, event.type, event.sequence, event.sandbox) == (
        "evt_1",
        "payment.succeeded",
        7,
        True,
    )
    assert (event.data.payment_id, event.data.amount, event.data.refund_id) == ("pay_1", 1990000, None)
    assert event.data.model_extra == {"late": False}
    assert abs(event.timestamp - NOW) < timedelta(milliseconds=1)


@given(st.binary(min_size=24, max_size=64), st.text(alphabet="abcXYZ_-09", min_size=1))
def test_the_reference_library_signs_what_we_believe(entropy: bytes, webhook_id: str) -> None:
    secret = new_secret(entropy)
    signature = standardwebhooks.Webhook(secret).sign(webhook_id, NOW, BODY.decode())
    assert verify(secret, signed(id=webhook_id, signature=signature), BODY, now=NOW).sequence == 7


def test_one_of_several_secrets_and_signatures_is_enough() -> None:
    both = f"v1,AAAA v2,odd {sign(OTHER, 'evt_1', STAMP, BODY)} {sign(SECRET, 'evt_1', STAMP, BODY)}"
    assert verify(SECRET, signed(signature=both), BODY, now=NOW).sequence == 7
    assert verify([OTHER, SECRET], signed(), BODY, now=NOW).sequence == 7
    assert verify((secret for secret in (SECRET, OTHER)), signed(), BODY, now=NOW).sequence == 7


def test_header_names_are_read_in_any_case() -> None:
    assert (
        verify(SECRET, {name.title(): value for name, value in signed().items()}, BODY, now=NOW).sequence == 7
    )


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        (signed(OTHER), BODY, WebhookSignatureInvalid),
        (signed(), BODY + b" ", WebhookSignatureInvalid),
        (signed(id="evt_2"), BODY, WebhookSignatureInvalid),
        (signed(timestamp=str(STAMP + 1)), BODY, WebhookSignatureInvalid),
        (signed(signature=sign(SECRET, "evt_1", STAMP, BODY).upper()), BODY, WebhookSignatureInvalid),
        (signed(signature=sign(SECRET, "evt_1", STAMP, BODY)[3:]), BODY, WebhookSignatureInvalid),
        (signed(signature=""), BODY, WebhookSignatureInvalid),
        (signed(signature="v1,é \x00"), BODY, WebhookSignatureInvalid),
        (signed(stamp=STAMP - 301), BODY, WebhookTimestampInvalid),
        (signed(stamp=STAMP + 301), BODY, WebhookTimestampInvalid),
        (signed(timestamp="soon"), BODY, WebhookHeadersInvalid),
        (signed(timestamp="9" * 400), BODY, WebhookHeadersInvalid),
        (signed(timestamp="٣"), BODY, WebhookHeadersInvalid),
        (signed(timestamp=""), BODY, WebhookHeadersInvalid),
        (signed(id="evt.1"), BODY, WebhookHeadersInvalid),
        (signed(id=""), BODY, WebhookHeadersInvalid),
        ({}, BODY, WebhookHeadersInvalid),
        (signed() | {"Webhook-Id": "evt_2"}, BODY, WebhookHeadersInvalid),
        (signed(body=b"{"), b"{", WebhookUnreadable),
        (signed(body=b"\xff"), b"\xff", WebhookUnreadable),
        (signed(body=b'{"type":"x"}'), b'{"type":"x"}', WebhookUnreadable),
    ],
)
def test_everything_else_is_refused(headers: dict[str, str], body: bytes, why: type[WebhookError]) -> None:
    with pytest.raises(why):
        verify(SECRET, headers, body, now=NOW)


def test_nothing_is_read_before_it_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(Event, "model_validate_json", read)
    for headers in (signed(OTHER), signed(stamp=STAMP - 400), {}):
        with pytest.raises(WebhookError):
            verify(SECRET, headers, BODY, now=NOW)


@pytest.mark.parametrize("none", ["", "whsec_", "whsec_?", "pss_0", base64.b64encode(b"x" * 32).decode()])
def test_a_secret_that_is_none_is_a_mistake_of_ours_and_not_shown(none: str) -> None:
    with pytest.raises(ValueError, match="webhook secret") as mistake:
        verify(none, signed(), BODY)
    assert not none or none == "whsec_" or none not in str(mistake.value)
    with pytest.raises(ValueError, match="no webhook secret"):
        verify([], signed(), BODY)


# --- Frameworks -----------------------------------------------------------------------------------

_HANDLER, _FASTAPI, _FLASK, _DJANGO = (
    block
    for block in codes("client/README.md", "python")
    if "import Event" in block or "webhooks.verify" in block
)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What reached the shop."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    taken: list[str] = []
    yield taken
    sys.modules.pop("pasted", None)


def pasted(block: str, taken: list[str]) -> Any:
    """A module as a reader has it who pasted the page's handler and this framework's block into one file."""
    module = types.ModuleType("pasted")
    sys.modules["pasted"] = module
    exec(compile(_HANDLER + block, "client/README.md", "exec"), vars(module))  # noqa: S102 - our own page
    handle = module.handle

    def noted(event: Event) -> None:
        handle(event)
        taken.append(event.event_id)

    module.handle = noted  # type: ignore[attr-defined]
    return module


def just_now() -> dict[str, str]:
    return signed(stamp=int(datetime.now(UTC).timestamp()))


async def test_fastapi(taken: list[str]) -> None:
    transport = httpx.ASGITransport(pasted(_FASTAPI, taken).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as shop:
        answers = [
            (await shop.post("/webhooks", content=body, headers=just_now())).status_code
            for body in (BODY, BODY + b" ")
        ]
    assert (answers, taken) == ([204, 400], ["evt_1"])


def test_flask(taken: list[str]) -> None:
    shop = pasted(_FLASK, taken).app.test_client()
    answers = [
        shop.post("/webhooks", data=body, headers=just_now()).status_code for body in (BODY, BODY + b" ")
    ]
    assert (answers, taken) == ([204, 400], ["evt_1"])


def test_django(taken: list[str]) -> None:
    if not django_settings.configured:
        django_settings.configure(
            ROOT_URLCONF="pasted",
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="test",
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        )
        django.setup()
    pasted(_DJANGO, taken)
    shop = DjangoClient(enforce_csrf_checks=True)
    answers = [
        shop.post("/webhooks", body, content_type="application/json", headers=just_now()).status_code
        for body in (BODY, BODY + b" ")
    ]
    assert (answers, taken) == ([204, 400], ["evt_1"])
