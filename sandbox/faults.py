"""Misbehaviour on request: which calls go wrong, and how. Rules outlive the process and count calls."""

import json
import re
from contextvars import ContextVar
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox import money
from sandbox.store import new_id
from sandbox.world import World

OPERATIONS = frozenset(
    {
        "checkout.create",
        "checkout.read",
        "checkout.close",
        "checkout.find",
        "checkout.pay",
        "charge.create",
        "charge.read",
        "charge.close",
        "charge.find",
        "customer.create",
        "customer.read",
        "customer.methods",
        "setup.create",
        "setup.read",
        "portal.create",
        "subscription.read",
        "subscription.cancel",
        "subscription.change",
        "payment.read",
        "payment.list",
        "refund.create",
        "refund.read",
        "refund.list",
        "dispute.read",
        "dispute.list",
        "dispute.answer",
        "webhook.send",
    }
)
WEBHOOK = "webhook.send"
_TAKES_MONEY = frozenset({"checkout.pay", "charge.create"})
_STATUS = re.compile(r"status:([45]\d\d)")
_WRONG_MONEY = frozenset({"wrongAmount", "wrongCurrency"})
_OF_ANSWERS = frozenset({"truncate", "html", "unknownWord", "reset", "hang"}) | _WRONG_MONEY
_FAULTS = {
    "before": frozenset({"refuse", "reset", "hang", "lost"}),
    "after": _OF_ANSWERS,
    "answer": _OF_ANSWERS,
    "webhook": _WRONG_MONEY
    | {
        "lost",
        "duplicate",
        "reorder",
        "late",
        "badSignature",
        "staleTimestamp",
        "unknownWord",
        "beforeAnswer",
    },
}


class Rule(BaseModel):
    """One way to misbehave, and the calls it is meant for."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    WITHOUT_STATUS: ClassVar[frozenset[str]] = frozenset({"webhook"})

    operation: str
    when: Literal["before", "after", "answer", "webhook"]
    fault: str
    account: str | None = None
    reference: str | None = None
    nth: Annotated[int, Field(ge=1)] = 1
    count: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 0

    @model_validator(mode="after")
    def _can_happen(self) -> Self:
        if self.operation not in OPERATIONS:
            raise ValueError(f"operation is one of {', '.join(sorted(OPERATIONS))}")
        if self.operation == WEBHOOK and self.when != "webhook":
            raise ValueError("webhook.send goes wrong only with when=webhook")
        if self.when == "before" and self.fault == "lost" and self.operation != "checkout.close":
            raise ValueError("before + lost is for checkout.close: acknowledged, not done")
        allowed = _FAULTS[self.when]
        if self.operation in _TAKES_MONEY:
            allowed |= _WRONG_MONEY
        if self.fault not in allowed and (self.when in self.WITHOUT_STATUS or self.status is None):
            raise ValueError(
                f"with when={self.when} a fault is one of {', '.join(sorted(allowed))}, status:NNN"
            )
        return self

    @property
    def status(self) -> int | None:
        """Give the HTTP status of a ``status:NNN`` fault."""
        match = _STATUS.fullmatch(self.fault)
        return int(match[1]) if match else None


HITS: ContextVar[tuple[Rule, ...]] = ContextVar("hits", default=())
"""The rules that the call at hand has run into."""


def add(world: World, rule: Rule) -> str:
    """Make a rule hold from now on."""
    identity = new_id("flt")
    with world.store.transaction():
        world.store.sql.execute(
            "INSERT INTO faults (id, rule) VALUES (?, ?)", (identity, rule.model_dump_json())
        )
    return identity


def clear(world: World) -> None:
    """Behave again."""
    with world.store.transaction():
        world.store.sql.execute("DELETE FROM faults")


def listed(world: World) -> list[dict[str, Any]]:
    """Show every rule with the calls it matched (``seen``) and those it spoiled (``hits``)."""
    rows = world.store.sql.execute("SELECT * FROM faults ORDER BY seq").fetchall()
    return [
        {"id": row["id"], **json.loads(row["rule"]), "seen": row["seen"], "hits": row["hits"]} for row in rows
    ]


def hit(world: World, operation: str, account: str | None, reference: str | None) -> tuple[Rule, ...]:
    """Count a call on every rule meant for it; return those that spoil it. Call in a transaction."""
    spoiling = []
    for row in world.store.sql.execute("SELECT seq, rule, seen FROM faults ORDER BY seq").fetchall():
        rule = Rule.model_validate_json(row["rule"])
        if not _is_meant(rule, operation, account, reference):
            continue
        seen = row["seen"] + 1
        strikes = rule.nth <= seen < rule.nth + rule.count
        world.store.sql.execute(
            "UPDATE faults SET seen = ?, hits = hits + ? WHERE seq = ?", (seen, strikes, row["seq"])
        )
        if strikes:
            spoiling.append(rule)
    return tuple(spoiling)


def _is_meant(rule: Rule, operation: str, account: str | None, reference: str | None) -> bool:
    aimed_at = {rule.operation}
    if rule.fault == "beforeAnswer" and rule.operation != "charge.create":
        # A webhook that overtakes the answer can only be about the call that makes the session or the charge.
        aimed_at = {"checkout.create"}
    elif rule.fault in _WRONG_MONEY and rule.operation == WEBHOOK:
        # No company tells another sum than it took: what the webhook says is what was captured.
        aimed_at = set(_TAKES_MONEY)
    return operation in aimed_at and rule.account in {None, account} and rule.reference in {None, reference}


def for_webhook(world: World, account: str, reference: str | None) -> tuple[Rule, ...]:
    """Return what spoils a new webhook: rules on sending, and those of the call that caused it."""
    caused = tuple(rule for rule in HITS.get() if rule.when == "webhook" and rule.fault not in _WRONG_MONEY)
    return caused + hit(world, WEBHOOK, account, reference)


def skew() -> tuple[str, ...]:
    """Name the faults of the call at hand that change what is really taken."""
    return tuple(rule.fault for rule in HITS.get() if rule.fault in _WRONG_MONEY)


def skewed(amount: int, currency: str, met: tuple[str, ...]) -> tuple[int, str]:
    """Say what is taken where so much was asked for, and these faults were met."""
    taken = money.wrong_amount(amount) if "wrongAmount" in met else amount
    return taken, money.wrong_currency(currency) if "wrongCurrency" in met else currency


def is_real(operation: str, fault: str) -> bool:
    """Say whether wrong money in the answer to this call is what was really taken."""
    return operation == "charge.create" and fault in _WRONG_MONEY
