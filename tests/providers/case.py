"""What the conformance suite must know of a payment company, beside the adapter itself.

A provider is added by two files: ``providers/<name>.py`` and ``tests/providers/cases/<name>.py`` with a
``CASE``. Whatever has no case fails the suite with a sentence that says so.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Final, NamedTuple

import httpx

from domain.dispute import DisputeObservation, DisputeWord
from domain.evidence import Observation, Word
from domain.refund import RefundObservation, RefundWord
from domain.subscription import (
    CustomerObservation,
    InvoiceObservation,
    InvoiceWord,
    SubscriptionObservation,
    SubscriptionWord,
)
from providers.base import PROVIDERS, Heard, Provider
from providers.line import Line
from tests.providers.scripted import Asked, Json, Script, nobody
from tests.providers.verbs import CUSTOMER, PRICE, VERBS, Verb, has


class Place(NamedTuple):
    """Where something stands in the answers of a script: in the rule of this number, at a path of keys."""

    rule: int
    path: str


class Event(NamedTuple):
    """A webhook's body, what it means, and where in it words stand for a state."""

    body: Json
    understood: Callable[[list[Heard]], bool]
    states: tuple[str, ...] = ()


class Sent(NamedTuple):
    """The money of a request, as the company counts it."""

    units: int
    currency: str


@dataclass(frozen=True)
class Case:
    """One company. All JSON is what it really answers, without what nobody reads."""

    provider: type[Provider]
    secrets: Mapping[str, str]
    """A test account's, with an old webhook secret that is still live."""
    other: Mapping[str, str]
    """Another account's, as different as can be."""
    private: tuple[str, ...]
    """Which of them nobody may ever see."""
    api_key: str
    """The name of the one that goes with each request."""
    webhook_secrets: tuple[str, str]
    """The names of the present one and of the old one."""
    scripts: Mapping[str, Script]
    """By verb: what a company answers when all is well."""
    states: Mapping[str, tuple[Place, ...]]
    """By verb: where in these answers words stand for a state."""
    paid: Callable[[int, str], Script]
    """How ``read_checkout`` is answered when so many units of a currency were captured."""
    sent: Mapping[str, Callable[[Asked], Sent]]
    """By verb: what money its last request asks for."""
    page: Callable[[str, Sequence[str], bool], Json]
    """By list: entries of these names, and whether there are more."""
    entries: str
    """Under which key a list has its entries."""
    full_page: Mapping[str, int]
    """By list: how many entries make a page full, where that is how more are told of; else few."""
    events: Mapping[str, Event]
    sign: Callable[[Sequence[str], bytes, datetime], dict[str, str]]
    """The headers of a webhook, with a signature by each of these secrets. Not the adapter's own function."""
    signature_header: str
    error: Callable[[int, str], Json]
    """The body of a refusal, with a message."""
    endless: Mapping[str, Script] = field(default_factory=dict)
    """By verb that looks through a list: first the list, of other people's things, which promises more."""
    key_header: str | None = "idempotency-key"
    volatile: frozenset[str] = field(default_factory=frozenset)
    """Headers that differ between two times the same request."""

    @property
    def verbs(self) -> dict[str, Verb]:
        return {name: verb for name, verb in VERBS.items() if has(self.provider, verb)}

    @property
    def canaries(self) -> tuple[str, ...]:
        """Nothing of this may turn up anywhere: the secrets, and what of them alone is as good."""
        kept = [self.secrets[name] for name in self.private] + [self.other[name] for name in self.private]
        return tuple(secret.removeprefix("whsec_") for secret in kept)

    def adapter(
        self,
        http: httpx.AsyncClient,
        base: str | None = None,
        secrets: Mapping[str, str] | None = None,
        line: Line | None = None,
    ) -> Provider:
        """A fresh one, on a line of its own."""
        return self.provider(http, base or nobody(), dict(secrets or self.secrets), line or Line())


def case_of(name: str) -> Case:
    """The case of a provider; a sentence, when there is none."""
    try:
        found = import_module(f"tests.providers.cases.{name}")
    except ModuleNotFoundError as missing:
        raise AssertionError(
            f"The provider {name} has no case: write tests/providers/cases/{name}.py with a CASE that tells "
            "its secrets, what it answers to each verb, and how it signs; cases/sandbox.py shows how."
        ) from missing
    case = found.CASE
    assert isinstance(case, Case)
    assert case.provider is PROVIDERS[name]
    return case


NAMES: Final = tuple(sorted(PROVIDERS))


def changed(said: Json, path: str, value: Any) -> Json:
    """The same with something else at a path of keys and numbers."""
    keys: list[Any] = [int(key) if key.isdigit() else key for key in path.split(".")]
    *way, last = keys
    whole = copy.deepcopy(said)
    part = whole
    for key in way:
        part = part[key]
    assert last in part or isinstance(part, list), f"there is nothing at {path}"
    part[last] = value
    return whole


def rewritten(script: Script, place: Place, value: Any) -> Script:
    """The script with something else at a place."""
    rule = script[place.rule]
    new = value if not place.path else changed(rule.said, place.path, value)
    return [*script[: place.rule], rule._replace(said=new), *script[place.rule + 1 :]]


def paths(said: Json, so_far: str = "") -> list[str]:
    """Every path in it, to leaves and to what holds them."""
    inner = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    found = [] if not so_far else [so_far]
    for key, value in inner:
        found += paths(value, f"{so_far}.{key}" if so_far else str(key))
    return found


def heard_paid(heard: Sequence[object]) -> bool:
    (said,) = heard
    return isinstance(said, Observation) and said.word is Word.PAID and said.captured == PRICE


def heard_refund(heard: Sequence[object]) -> bool:
    (said,) = heard
    return isinstance(said, RefundObservation) and said.word is RefundWord.SUCCEEDED


def heard_dispute(heard: Sequence[object]) -> bool:
    (said,) = heard
    return isinstance(said, DisputeObservation) and said.word is DisputeWord.OPENED


def heard_subscription(heard: Sequence[object]) -> bool:
    (said,) = heard
    return isinstance(said, SubscriptionObservation) and said.word is SubscriptionWord.ACTIVE


def heard_invoice(heard: Sequence[object]) -> bool:
    (said,) = heard
    return isinstance(said, InvoiceObservation) and said.word is InvoiceWord.PAID


def heard_customer(heard: Sequence[object]) -> bool:
    (said,) = heard
    return isinstance(said, CustomerObservation) and said.reference == CUSTOMER
