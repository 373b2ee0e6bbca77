"""Every verb of the Dodo adapter against Dodo's own OpenAPI document, which prism serves and judges by.

The document is a year older than the SDK. What it does not know yet stands in ``NEWER`` and ``NOT_YET`` by
name; anything else that it does not know fails here, and so does what stands there for nothing.
"""

import contextlib
import copy
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from domain.dispute import DisputeWord
from domain.errors import OutcomeUnknown, ProviderRejected
from domain.evidence import Word
from domain.money import Money
from domain.payment import PaymentOrder
from domain.reconciliation import Page, Window
from domain.refund import Origin, Refund, RefundState, RefundWord
from domain.subscription import Charge, Customer, PlanChange, SubscriptionOrder, SubscriptionWord
from domain.values import derived_id
from providers.dodo.adapter import Dodo
from providers.line import Line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SPECS: Final = Path(os.environ.get("PAYSAGA_PROVIDER_SPECS") or REPOSITORY.parent / "shared" / "data")
SPEC: Final = SPECS / "dodo" / "openapi-1.53.2-nosamples.json"
PRISM: Final = "@stoplight/prism-cli@5.16.0"
TOOLS: Final = REPOSITORY / ".bootstrap" / "prism"
Json = dict[str, Any]

NEWER: Final[Mapping[str, Mapping[str, str]]] = {
    "POST /checkouts": {"cancel_url": "a way back from the checkout"},
    "POST /customers": {"metadata": "whose customer it is"},
    "POST /refunds": {
        "currency": "an item's amount was always in the merchant's own",
        "metadata": "whose refund it is",
    },
    "POST /customers/{customer_id}/customer-portal/session": {"return_url": "a way back from the portal"},
    "POST /subscriptions/{subscription_id}/change-plan": {
        "on_payment_failure": "it was the merchant's setting"
    },
}
"""Parameters that this version of the document does not know, and what they are for."""
NOT_YET: Final[Mapping[str, str]] = {
    "GET /checkouts/{id}": "a checkout could not be read",
    "GET /customers/{customer_id}/payment-methods": "saved methods could not be listed",
}
"""Calls that it does not know."""

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
MADE: Final = NOW - timedelta(minutes=10)
MINE: Final = derived_id("pay", MADE, "order")
PRICE: Final = Money(amount_minor=1990000, currency="HUF")
WINDOW: Final = Window(since=NOW - timedelta(days=3), until=NOW)
SECRETS: Final = {"apiKey": "key", "webhookSecret": f"whsec_{'A' * 32}", "productId": "pdt_any"}

EXAMPLES: Final[Mapping[str, Any]] = {
    "Currency": "HUF",
    "Metadata": {"paysaga_payment": MINE, "paysaga_refund": "ref_ours", "paysaga_subscription": "sub_ours"},
    "total_amount": PRICE.amount_minor,
    "GetDisputeResponse.amount": "1990000",
    "ListDisputeResponse.amount": "1990000",
    "RefundResponse.amount": PRICE.amount_minor,
    "currency": "HUF",
    "created_at": MADE.isoformat(),
    "trial_period_days": 14,
    "quantity": 2,
    "checkout_url": "https://checkout.example/cks_1",
    "link": "https://portal.example",
}
"""What prism answers where the document leaves it open."""


def strict(document: Json) -> Json:
    """The document, its word on requests meant to the letter, its answers with values that mean something."""
    whole = copy.deepcopy(document)
    schemas: Json = whole["components"]["schemas"]
    for name, schema in schemas.items():
        if name in EXAMPLES:
            schema["example"] = EXAMPLES[name]
        for field, inner in schema.get("properties", {}).items():
            example = EXAMPLES.get(f"{name}.{field}", EXAMPLES.get(field))
            if example is not None:
                schema["properties"][field] = {"type": inner.get("type", "string"), "example": example}
            # Else what may be null is null.
            with contextlib.suppress(KeyError, ValueError):
                inner["oneOf"].append(inner["oneOf"].pop(inner["oneOf"].index({"type": "null"})))
    for name in _asked_for(whole):
        schemas[name].setdefault("additionalProperties", False)
    return whole


def _asked_for(document: Json) -> set[str]:
    """The names of all objects that requests are made of."""
    seen: set[str] = set()
    left = [each for _, operation in _operations(document) for each in _named(operation.get("requestBody"))]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += _named(document["components"]["schemas"][name])
    return {name for name in seen if "properties" in document["components"]["schemas"][name]}


def _named(part: object) -> list[str]:
    return re.findall(r"#/components/schemas/(\w+)", json.dumps(part))


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


class OfThatTime(httpx.AsyncBaseTransport):
    """Between the adapter and prism: takes away what is newer, by name, and notes prism's objections."""

    def __init__(self, document: Json, port: int) -> None:
        self._operations = dict(_operations(document))
        self._inner = httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._port = port
        self.called: set[str] = set()
        self.taken: set[tuple[str, str]] = set()
        self.objections: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = self._call(request)
        self.called.add(call)
        newer = NEWER.get(call, {})
        query = [pair for pair in request.url.params.multi_items() if not self._take(call, pair[0], newer)]
        known = {each["name"] for each in self._operations[call].get("parameters", ())}
        self.objections += [f"{call}: no parameter {name}" for name, _ in query if name not in known]
        body = json.loads(request.content) if request.content else None
        if body is not None:
            body = {name: value for name, value in body.items() if not self._take(call, name, newer)}
        url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port, params=query)
        headers = {"authorization": request.headers["authorization"]}
        answer = await self._inner.handle_async_request(
            httpx.Request(request.method, url, headers=headers, json=body)
        )
        if "sl-violations" in answer.headers:
            self.objections.append(f"{call}: {answer.headers['sl-violations']}")
        return answer

    def _take(self, call: str, name: str, newer: Mapping[str, str]) -> bool:
        if name in newer:
            self.taken.add((call, name))
        return name in newer

    def _call(self, request: httpx.Request) -> str:
        for call in self._operations:
            method, _, path = call.partition(" ")
            if request.method == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.url.path):
                return call
        raise AssertionError(f"the document has no {request.method} {request.url.path}")


@pytest.fixture(scope="module")
def document() -> Json:
    if not SPEC.is_file():
        pytest.skip(
            f"{SPEC.name} is not in {SPECS}/dodo: put it there, or name its folder in PAYSAGA_PROVIDER_SPECS"
        )
    found: Json = json.loads(SPEC.read_text())
    return found


@pytest.fixture(scope="module")
def prism(pytestconfig: pytest.Config) -> str:
    """The program, from the path or installed here once; some 70 MB."""
    if shutil.which("node") is None:
        pytest.skip("prism needs Node.js: install it, version 20 or later")
    own = TOOLS / "node_modules" / ".bin" / "prism"
    found = str(own) if own.exists() else shutil.which("prism")
    if found is not None:
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"prism is not here, and npm neither: install npm, or {PRISM}")
    TOOLS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS.parent, prefix="prism-") as folder:
        _install(npm, Path(folder), pytestconfig)
        # Somebody else may have been quicker.
        with contextlib.suppress(OSError):
            (Path(folder) / "prism").rename(TOOLS)
    return str(own)


def _install(npm: str, folder: Path, config: pytest.Config) -> None:
    place = folder / "prism"
    place.mkdir()
    (place / "package.json").write_text('{"private": true}')
    _say(config, f"Installing {PRISM} into {TOOLS.relative_to(REPOSITORY)}: this takes a minute or two.")
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(
        [npm, "install", *options, PRISM], cwd=place, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"{PRISM} cannot be installed; install it by hand. npm says: {done.stderr[-400:]}")
    _say(config, f"Installed {PRISM}.")


def _say(config: pytest.Config, line: str) -> None:
    """At once, not when the test is over."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled():
        sys.stderr.write(f"\n{line}\n")


@pytest.fixture(scope="module")
def dodo(document: Json, prism: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfThatTime]:
    """Dodo, as its document has it."""
    folder = tmp_path_factory.mktemp("prism")
    spec, log = folder / "spec.json", folder / "log"
    spec.write_text(json.dumps(strict(document)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        prism,
        "mock",
        "--errors",
        "--multiprocess=false",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        str(spec),
    ]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            _wait(port, process, log)
            yield OfThatTime(document, port)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError(f"prism did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def adapter(dodo: OfThatTime) -> Dodo:
    return Dodo(httpx.AsyncClient(transport=dodo), "https://dodo.example", SECRETS, Line())


@pytest.fixture(autouse=True)
def heard_out(dodo: OfThatTime) -> Iterator[None]:
    """Whatever prism objects to fails the test that sent it."""
    dodo.objections.clear()
    yield
    assert dodo.objections == []


def order(email: str | None = None) -> PaymentOrder:
    return PaymentOrder(
        payment_id=MINE,
        tenant_id="ten_1",
        idempotency_key="key",
        digest="digest",
        user_id="user",
        money=PRICE,
        provider="dodo",
        customer_email=email,
        success_url="https://shop.example/thanks",
        cancel_url="https://shop.example/cart",
        metadata={"plan": "pro"},
        sandbox=False,
        created_at=MADE,
        expires_at=NOW + timedelta(hours=1),
    )


def refund(minor: int) -> Refund:
    return Refund(
        id="ref_ours",
        tenant_id="ten_1",
        payment_id=MINE,
        account_id="acc_1",
        provider="dodo",
        money=Money(amount_minor=minor, currency="HUF"),
        state=RefundState.PENDING,
        origin=Origin.TENANT,
        reason="too large",
        checkout_reference="pay_theirs",
        created_at=MADE,
        updated_at=MADE,
    )


def all_read(page: Page) -> bool:
    return {each.said is not None for each in page.items} == {True}


CHARGE: Final = Charge(payment_id="pay_" + "0" * 26, money=PRICE, customer="cus_1", method="sub_1")
TRIAL: Final = SubscriptionOrder(
    subscription_id="sub_ours", customer="cus_1", price="pdt_pro", quantity=2, trial_days=14, expires_at=NOW
)


async def test_a_checkout_is_opened(adapter: Dodo) -> None:
    assert (await adapter.open_checkout(order())).reference
    assert (await adapter.subscribe(TRIAL)).reference


async def test_a_payment_is_read_found_and_listed(adapter: Dodo) -> None:
    for said in (
        await adapter.read_checkout("pay_theirs", NOW),
        await adapter.close_checkout("pay_theirs", NOW),
        await adapter.find_checkout(MINE, NOW),
    ):
        assert (said.word, said.captured, said.payment_id) == (Word.PAID, PRICE, MINE)
    assert all_read(await adapter.list_payments(WINDOW, None, NOW))


@pytest.mark.parametrize("minor", [PRICE.amount_minor, 490000])
async def test_a_payment_is_given_back(adapter: Dodo, minor: int) -> None:
    assert (await adapter.refund(refund(minor), NOW)).word is RefundWord.SUCCEEDED
    assert all_read(await adapter.list_refunds(WINDOW, None, NOW))


async def test_a_refund_of_that_time_does_not_tell_whose_it_is(adapter: Dodo) -> None:
    with pytest.raises(OutcomeUnknown):
        await adapter.find_refund(refund(490000), NOW)


async def test_disputes_are_read_and_listed(adapter: Dodo) -> None:
    assert (await adapter.read_dispute("dp_1", NOW)).word is DisputeWord.INQUIRY
    assert all_read(await adapter.list_disputes(WINDOW, None, NOW))


async def test_a_customer_is_made_and_has_a_portal(adapter: Dodo) -> None:
    assert await adapter.ensure_customer(Customer(id="cus_ours", email="payer@example.com", name="Payer"))
    assert await adapter.portal_url("cus_1", "https://shop.example")


async def test_a_saved_method_is_charged(adapter: Dodo) -> None:
    assert (await adapter.charge_saved(CHARGE, NOW)).word is Word.PAID


async def test_a_subscription_is_read_ended_and_changed(adapter: Dodo) -> None:
    for said in (
        await adapter.read_subscription("sub_1", NOW),
        await adapter.cancel_subscription("sub_1", NOW, at_period_end=True),
        await adapter.keep_subscription("sub_1", NOW),
        await adapter.cancel_subscription("sub_1", NOW, at_period_end=False),
    ):
        assert said.word is SubscriptionWord.INCOMPLETE
    # At that time a change was answered with nothing at all: it is looked for, then.
    with pytest.raises(OutcomeUnknown):
        await adapter.change_subscription("sub_1", PlanChange(key="chg_1", price="pdt_team"), NOW)


async def test_what_prism_objects_to_is_seen(adapter: Dodo, dodo: OfThatTime) -> None:
    """An e-mail address alone was no customer then; the SDK's document says that a name may be left out."""
    with pytest.raises(ProviderRejected, match="422"):
        await adapter.open_checkout(order("payer@example.com"))
    assert "name" in dodo.objections.pop()


async def test_what_is_newer_is_newer_and_sent(adapter: Dodo, document: Json, dodo: OfThatTime) -> None:
    assert not set(NOT_YET) & {call for call, _ in _operations(document)}
    dodo.taken.clear()
    await adapter.open_checkout(order())
    await adapter.ensure_customer(Customer(id="cus_ours", email="payer@example.com"))
    await adapter.portal_url("cus_1", "https://shop.example")
    await adapter.refund(refund(490000), NOW)
    with pytest.raises(OutcomeUnknown):
        await adapter.change_subscription("sub_1", PlanChange(key="chg_1", price="pdt_team"), NOW)
    assert dodo.taken == {(call, name) for call, names in NEWER.items() for name in names}
