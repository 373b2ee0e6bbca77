"""Whatever goes wrong between us and a company, an adapter says whether what was asked may have been done.

Every verb of every adapter, every request that it sends, every way in which that one can fail. The wrong word
here moves money twice: "not sent" of what was sent, or "refused" of what nobody refused.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import httpx
import pytest
from pydantic import ValidationError

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.evidence import Word
from domain.payment import PaymentOrder
from domain.refund import Refund, RefundObservation, RefundWord
from providers import wire
from providers.base import Capability, Checkout, Provider
from providers.sandbox import Sandbox
from tests.providers.case import Case, case_of
from tests.providers.discretion import check_discreet, told_by
from tests.providers.scripted import (
    Answer,
    Asked,
    Company,
    blurts,
    hangs_up,
    is_silent,
    nobody,
    opened,
    packed,
    resets,
    says,
    sends,
    trickles,
)
from tests.providers.verbs import CAPTURE, CHECKOUT, CUSTOMER, DISPUTE, SUBSCRIPTION, Verb

Kinds = type[ProviderError] | tuple[type[ProviderError], ...]
LOST: Final = (ProviderUnavailable, OutcomeUnknown)
# Already closed, perhaps, or not to be found: whoever meets with one of these may look instead of complain.
LOOKED_AT: Final = (ProviderRejected, ProviderNotFound, ProviderDeclined, (ProviderConflict, OutcomeUnknown))


class Failure(NamedTuple):
    """One way to fail, and what must be said of it when a read met it, and when a write did."""

    answer: Callable[[Case], Answer]
    read: Kinds
    write: Kinds


def refused(status: int, read: Kinds, write: Kinds | None = None, **headers: str) -> Failure:
    """An answer of this status; its text repeats the key that it was sent."""

    def answer(case: Case) -> Answer:
        said = case.error(status, f"no: {case.secrets[case.api_key]}")
        return says(status, said, {name.replace("_", "-"): value for name, value in headers.items()})

    return Failure(answer, read, write or read)


def lost(answer: Answer) -> Failure:
    return Failure(lambda _: answer, *LOST)


FAILURES: Final[Mapping[str, Failure]] = {
    "400": refused(400, ProviderRejected),
    "401": refused(401, ProviderAuthFailed),
    "402": refused(402, ProviderDeclined),
    "403": refused(403, ProviderAuthFailed),
    # Of something that the company itself has just named, it is no answer at all.
    "404": refused(404, (ProviderNotFound, ProviderUnavailable), ProviderNotFound),
    "409": refused(409, ProviderConflict, (ProviderConflict, OutcomeUnknown)),
    "422": refused(422, ProviderRejected),
    "425": refused(425, ProviderUnavailable),
    "429": refused(429, ProviderUnavailable, Retry_After="7", X_Should_Retry="true"),
    "408": refused(408, *LOST),
    "500": refused(500, *LOST, X_Should_Retry="true", Stripe_Should_Retry="true"),
    "501 in HTML": lost(sends(501, b"<html>not implemented</html>", {"Content-Type": "text/html"})),
    "502": refused(502, *LOST),
    "503": refused(503, *LOST, Retry_After="0"),
    "599": refused(599, *LOST),
    "300": refused(300, ProviderRejected),
    "301": refused(301, ProviderRejected, Location="/v1/elsewhere"),
    "303": refused(303, ProviderRejected, Location="/v1/elsewhere"),
    "307": refused(307, ProviderRejected, Location="/v1/elsewhere"),
    "a reset": lost(resets),
    "hanging up": lost(hangs_up),
    "half an answer": lost(sends(200, b'{"id": "', announced=200)),
    "half a head": lost(blurts(b"HTTP/1.1 200 OK\r\nContent-Le")),
    "no HTTP": lost(blurts(b"\x16\x03\x01 hello\r\n\r\n")),
    "broken pieces": lost(blurts(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n")),
    "no JSON": lost(sends(200, b'{"id": ')),
    "HTML": lost(sends(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})),
    "a list": lost(says(200, [])),
    "a text": lost(says(200, "ok")),
    "null": lost(says(200, None)),
    "no UTF-8": lost(sends(200, b'{"id": "\xff"}')),
    "nothing": lost(sends(200, b"")),
    "204": lost(sends(204, b"")),
    "202 and nothing": lost(sends(202, b"")),
    "gzip": lost(packed({"id": "it"})),
    "too much": lost(sends(200, b'{"id": "' + b"x" * (2 << 20) + b'"}')),
    "too deep": lost(sends(200, b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
}

# These meet every request of every verb; the others, which an adapter hardly tells from one of these, every
# fourth, and all of them in the slow suite.
TELLING: Final = frozenset(
    {"400", "401", "402", "404", "409", "429", "500", "a reset", "half an answer", "204"}
)
QUICK: Final = 4

_CALLS: dict[tuple[str, str], list[Asked]] = {}


async def calls(case: Case, company: Company, http: httpx.AsyncClient, verb: Verb) -> list[Asked]:
    """What the verb asks when all is well."""
    about = (case.provider.name, verb.name)
    if about not in _CALLS:
        company.plays(case.scripts[verb.name])
        await verb.ask(case.adapter(http, company.base))
        _CALLS[about] = list(company.asked)
    return _CALLS[about]


async def outcome(case: Case, http: httpx.AsyncClient, base: str, verb: Verb) -> Any:
    """The verb's answer, or the discreet ``ProviderError`` that it raised. Nothing else comes out."""
    try:
        return await verb.ask(case.adapter(http, base))
    except ProviderError as error:
        check_discreet(case, told_by(error), "an exception")
        return error
    except Exception as escaped:
        raise AssertionError(f"{case.provider.name}.{verb.name} lets {escaped!r:.200} out") from escaped


def is_absent(answer: Any) -> bool:
    return getattr(answer, "word", None) in {Word.ABSENT, RefundWord.ABSENT}


def looked_again(verb: Verb, company: Company, number: int, said: Any) -> bool:
    """Whether a refused write was followed by a look at what has become of it, where that is the answer."""
    after = company.asked[number + 1 :]
    harmless = company.asked[number].writes and verb.named is None
    return harmless and bool(after) and not after[-1].writes and not isinstance(said, ProviderError)


def check_said(case: Case, verb: Verb, asked: list[Asked], number: int, wanted: Failure, said: Any) -> None:
    """What an adapter says when its request of this number has failed in this way."""
    call = asked[number]
    kinds = wanted.write if call.writes else wanted.read
    if verb.named and any(before.writes for before in asked[:number]):
        # The write has gone through: whatever becomes of later questions, this must not count as not done.
        again = Capability.IDEMPOTENT_WRITES in case.provider.capabilities
        kinds = (OutcomeUnknown, ProviderUnavailable) if again else OutcomeUnknown
        assert not isinstance(said, ProviderError) or isinstance(said, kinds)
        return
    if wanted is FAILURES["404"] and is_absent(said):
        # Said of a thing by its name, and not of a list that is not there.
        assert any(name in call.path for name in (CAPTURE, CHECKOUT, CUSTOMER, DISPUTE, SUBSCRIPTION))
        return
    assert isinstance(said, kinds)
    if wanted is FAILURES["429"]:
        assert said.retry_after == 7


async def check_failure(
    case: Case, company: Company, http: httpx.AsyncClient, wanted: Failure, *, every: int = 1
) -> None:
    turn = itertools.count(list(FAILURES.values()).index(wanted))
    for verb in case.verbs.values():
        asked = list(await calls(case, company, http, verb))
        for number, call in enumerate(asked):
            if next(turn) % every:
                continue
            company.plays(case.scripts[verb.name], spoilt=(number, wanted.answer(case)))
            said = await outcome(case, http, company.base, verb)
            where = f"{case.provider.name}.{verb.name}, {call.method} {call.path}: {said!r}"
            if wanted.write not in LOOKED_AT or not looked_again(verb, company, number, said):
                try:
                    check_said(case, verb, asked, number, wanted, said)
                except AssertionError as wrong:
                    raise AssertionError(where) from wrong
            sent = [(one.method, one.target, one.body) for one in company.asked]
            assert sent[number] not in sent[number + 1 : number + 2], f"{where}: sent again"
            written = [one for one in sent if one[0] != "GET"]
            assert len(written) == len(set(written)), f"{where}: written twice"


@pytest.mark.parametrize("name", FAILURES)
async def test_every_failure_of_every_request_is_told_apart(
    case: Case, company: Company, http: httpx.AsyncClient, name: str
) -> None:
    await check_failure(case, company, http, FAILURES[name], every=1 if name in TELLING else QUICK)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_failure_of_every_request_is_told_apart_without_exception(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for wanted in FAILURES.values():
        await check_failure(case, company, http, wanted)


async def test_a_company_that_nobody_reaches_was_sent_nothing(case: Case, http: httpx.AsyncClient) -> None:
    for verb in case.verbs.values():
        said = await outcome(case, http, nobody(), verb)
        assert type(said) is ProviderUnavailable, f"{verb.name}: {said!r}"


SHORT: Final = timedelta(seconds=0.5)


async def wait_out(case: Case, http: httpx.AsyncClient, verb: Verb, number: int, never: Answer) -> None:
    """One request of a verb is not answered, or without end: the deadline ends it."""
    async with opened() as company:
        while len(company.asked) <= number:
            # Again, when a busy machine has used the short time up before it came to that request.
            company.plays(case.scripts[verb.name], spoilt=(number, never))
            began = time.monotonic()
            said = await outcome(case, http, company.base, verb)
            took = time.monotonic() - began
        check_said(case, verb, company.asked, number, lost(never), said)
        assert len(company.asked) == number + 1
        assert SHORT.total_seconds() * 0.9 < took < wire.DEADLINE.total_seconds() + 5


@pytest.mark.parametrize("never", [is_silent, trickles])
async def test_no_call_outlasts_the_deadline_and_what_was_sent_by_then_is_not_known(
    case: Case, company: Company, http: httpx.AsyncClient, never: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = [(verb, len(await calls(case, company, http, verb))) for verb in case.verbs.values()]
    # The one constant that a test of patience may shorten.
    monkeypatch.setattr(wire, "DEADLINE", SHORT)
    await asyncio.gather(
        *(wait_out(case, http, verb, number, never) for verb, many in talks for number in range(many))
    )


async def test_who_has_slept_too_long_sends_nothing(
    case: Case, company: Company, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An adapter that is old already when it is made.
    monkeypatch.setattr(wire, "FRESH", timedelta(seconds=-1))
    for verb in case.verbs.values():
        company.plays(case.scripts[verb.name])
        assert type(await outcome(case, http, company.base, verb)) is ProviderUnavailable, verb.name
    assert company.history == []


@pytest.mark.parametrize("key", ["", " ", "\t"])
def test_no_account_has_an_empty_key(case: Case, http: httpx.AsyncClient, key: str) -> None:
    with pytest.raises((ValidationError, ProviderRejected)):
        case.adapter(http, None, {**case.secrets, case.api_key: key})


@pytest.mark.parametrize("odd", ["\n", "\nX-Header: 2", "\r\nX-Header: 2", "\0", "űő", "\ud800"])
async def test_a_key_that_no_header_can_carry_is_refused_unseen_and_nothing_sent(
    case: Case, company: Company, http: httpx.AsyncClient, odd: str
) -> None:
    secrets = {**case.secrets, case.api_key: case.secrets[case.api_key] + odd}
    for name, verb in case.verbs.items():
        company.plays(case.scripts[name])
        # It is refused when the account is made, or at the first call.
        with pytest.raises((ValidationError, ProviderRejected)) as refused:
            await verb.ask(case.adapter(http, company.base, secrets))
        check_discreet(case, told_by(refused.value), "a refusal")
    assert company.history == []


@pytest.mark.parametrize(
    "base",
    ["ftp://127.0.0.1", "127.0.0.1:1/v1", "https://", "http://[::1", "http://127.0.0.1:99999", "file:///"],
)
async def test_an_address_that_is_none_is_refused(case: Case, http: httpx.AsyncClient, base: str) -> None:
    for name, verb in case.verbs.items():
        said = await outcome(case, http, base, verb)
        assert isinstance(said, ProviderRejected), f"{name}: {said!r}"


# --- That these checks can fail ---------------------------------------------------------------------


async def caught(case: Case, bad: type[Provider], http: httpx.AsyncClient, name: str) -> bool:
    """Whether the failure of this name shows what is wrong with the adapter."""
    _CALLS.clear()
    async with opened() as company:
        try:
            await check_failure(replace(case, provider=bad), company, http, FAILURES[name])
        except AssertionError:
            return True
        finally:
            _CALLS.clear()
    return False


@pytest.mark.usefixtures("unregistered")
async def test_an_adapter_that_is_wrong_about_failures_does_not_pass(http: httpx.AsyncClient) -> None:
    case = case_of("sandbox")

    class Insistent(Sandbox):
        name = "insistent"

        async def refund(self, refund: Refund, now: datetime) -> RefundObservation:
            try:
                return await super().refund(refund, now)
            except OutcomeUnknown:
                return await super().refund(refund, now)

    class Hopeful(Sandbox):
        name = "hopeful"

        async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
            try:
                return await super().open_checkout(order, customer)
            except OutcomeUnknown:
                raise ProviderUnavailable("it will not have got there") from None

    class Talkative(Sandbox):
        name = "talkative"

        def _refusal(self, status: int, said: Mapping[str, Any]) -> ProviderError | None:
            return ProviderRejected(f"{status}: {said}")

    assert not await caught(case, Sandbox, http, "500")
    assert await caught(case, Insistent, http, "500")
    assert await caught(case, Hopeful, http, "a reset")
    assert await caught(case, Talkative, http, "400")
