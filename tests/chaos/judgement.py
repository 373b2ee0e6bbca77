"""The judgement: each promise of the platform, held against evidence from outside. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from tests.chaos.evidence import Evidence
from tests.chaos.mail import Letter
from tests.chaos.shops import FEATURE
from tests.house import ENDED, Json

OPEN: Final = ("CREATED", "PROVIDER_PENDING", "UNKNOWN")
_END_EVENTS: Final = {f"payment.{status.lower()}": status for status in ENDED}


class Harm(StrEnum):
    """What a breach does to people's money."""

    LOST = "lost"
    DOUBLED = "doubled"
    STUCK = "stuck"


@dataclass(frozen=True)
class Finding:
    subject: str
    problem: str
    harm: Harm | None = None


@dataclass(frozen=True)
class Ruling:
    """What was found about one promise; ``checked`` says on how much, or why not at all."""

    promise: str
    checked: str
    findings: tuple[Finding, ...] = ()


def _grouped(rows: list[Json], by: str) -> Mapping[str, list[Json]]:
    groups: dict[str, list[Json]] = defaultdict(list)
    for row in rows:
        groups[row[by]].append(row)
    return groups


@dataclass
class Case:
    """The evidence, sorted by what it speaks of."""

    evidence: Evidence

    @cached_property
    def payments(self) -> Mapping[str, Json]:
        return {row["id"]: row for row in self.evidence.rows["payments"]}

    @cached_property
    def captures(self) -> Mapping[str, list[Json]]:
        return _grouped(self.evidence.ledger["captures"], "reference")

    @cached_property
    def refunds(self) -> Mapping[str, list[Json]]:
        """What the company gave back or is giving back, by payment."""
        return _grouped(
            [refund for refund in self.evidence.ledger["refunds"] if refund["status"] != "failed"],
            "reference",
        )

    @cached_property
    def quarantined(self) -> set[str]:
        return {row["payment_id"] for row in self.evidence.rows["inbox"] if row["state"] == "QUARANTINED"}

    @cached_property
    def letters(self) -> Mapping[str, list[Letter]]:
        """By tenant."""
        groups: dict[str, list[Letter]] = defaultdict(list)
        for letter in self.evidence.letters:
            groups[letter.tenant_id].append(letter)
        return groups

    def money(self, rows: list[Json]) -> list[tuple[int, str]]:
        return [(row["amount"], row["currency"]) for row in rows]

    def came_late(self, payment_id: str) -> bool:
        """Whether money arrived for a payment that had ended without any."""
        unpaid = self.payments[payment_id]["status"] in {"FAILED", "EXPIRED", "CANCELLED"}
        return unpaid and bool(self.captures[payment_id])

    def given_back(self, payment_id: str) -> bool:
        """Once, and all of it."""
        refunds, captures = self.refunds[payment_id], self.captures[payment_id]
        return (
            self.money(refunds) == self.money(captures)
            and self.payments[payment_id]["refund_status"] == "FULL"
        )


def judge(evidence: Evidence) -> list[Ruling]:
    case = Case(evidence)
    rulings = [
        Ruling(promise, f"{len(case.payments)} payments", tuple(look(case)))
        for promise, look in _LOOKS.items()
    ]
    rulings.append(_sealed(case))
    return sorted(rulings, key=lambda ruling: ruling.promise)


def _sealed(case: Case) -> Ruling:
    """The platform's own examination: nobody else knows how its records were sealed."""
    promise = "I7 the audit chain verifies"
    checks = case.evidence.verified["checks"]
    said = next((check for check in checks if check["promise"].startswith("I7 ")), None)
    if said is None or said["outcome"] == "skipped":
        return Ruling(promise, "not checked: paysaga verify says nothing of it")
    findings = tuple(Finding(found["subject"], found["problem"]) for found in said["findings"])
    return Ruling(promise, said["detail"], findings)


def harmed(rulings: list[Ruling], harm: Harm) -> set[str]:
    return {found.subject for ruling in rulings for found in ruling.findings if found.harm is harm}


def _ends(case: Case) -> Iterator[Finding]:
    yield from _orders(case)
    ordered = {payment for told in case.evidence.told for payment in told.payment_ids}
    for payment_id in case.payments.keys() - ordered:
        yield Finding(payment_id, "was never ordered", Harm.DOUBLED)
    history = _grouped(case.evidence.rows["payment_events"], "payment_id")
    announced = {
        (letter.payment_id, letter.event_id): letter.type
        for letter in case.evidence.letters
        if letter.type in _END_EVENTS
    }
    heard: dict[str | None, list[str]] = defaultdict(list)
    for (told_of, _), type_ in announced.items():
        heard[told_of].append(_END_EVENTS[type_])
    for payment_id, row in case.payments.items():
        status = row["status"]
        if status in OPEN:
            yield Finding(payment_id, f"is still {status}", Harm.STUCK)
            continue
        ends = [_END_EVENTS[line["type"]] for line in history[payment_id] if line["type"] in _END_EVENTS]
        for who, said in (("its history", ends), ("its shop's post", heard[payment_id])):
            if said != [status] * (status in ENDED):
                yield Finding(payment_id, f"is {status}, but {who} says {said or 'nothing'}")


def _orders(case: Case) -> Iterator[Finding]:
    for told in case.evidence.told:
        names = sorted(set(told.payment_ids))
        if not names:
            yield Finding(f"{told.tenant_id} {told.order.key}", "was never answered", Harm.STUCK)
            continue
        if len(names) > 1:
            yield Finding(names[0], f"one key made {len(names)} payments: {names}", Harm.DOUBLED)
        row = case.payments.get(names[0])
        if row is None:
            yield Finding(names[0], "was accepted and is nowhere", Harm.LOST)
            continue
        if not told.over and row["status"] not in OPEN:
            why = told.trouble or "its time was up"
            yield Finding(names[0], f"is {row['status']}, but its shop never got there: {why}", Harm.STUCK)
        ends = [number for number, status in enumerate(told.statuses) if status in ENDED]
        after = set(told.statuses[ends[0] :]) if ends else set()
        if len(after) > 1 or (after and after != {row["status"]}):
            yield Finding(names[0], f"ended as {row['status']}, after its shop was told {told.statuses}")


def _provider(case: Case) -> Iterator[Finding]:
    sessions = _grouped(case.evidence.ledger["sessions"], "reference")
    ours = {refund["id"] for refund in case.evidence.rows["refunds"]}
    for payment_id in case.payments.keys() | case.captures.keys() | sessions.keys():
        captures, refunds = case.captures[payment_id], case.refunds[payment_id]
        if payment_id not in case.payments:
            harm = Harm.LOST if captures else None
            yield Finding(payment_id, "is known to the payment company and not to us", harm)
        if len(captures) > 1:
            yield Finding(payment_id, f"was captured {len(captures)} times", Harm.DOUBLED)
        # The company heeds keys: a second session means that a key was not the same.
        if len(sessions[payment_id]) > 1:
            yield Finding(payment_id, f"has {len(sessions[payment_id])} checkouts", Harm.DOUBLED)
        if sessions[payment_id] and case.payments.get(payment_id, {}).get("status") == "FAILED":
            # None of our payers pays by a bank that says no: failed means that there never was a checkout.
            yield Finding(payment_id, "is FAILED, but has a checkout")
        if sum(refund["amount"] for refund in refunds) > sum(capture["amount"] for capture in captures):
            yield Finding(payment_id, "got back more than was captured", Harm.DOUBLED)
        for name, times in Counter(refund["refundReference"] for refund in refunds).items():
            if times > 1:
                yield Finding(payment_id, f"refund {name} was made {times} times", Harm.DOUBLED)
            if name not in ours:
                yield Finding(payment_id, f"refund {name} is none of ours", Harm.LOST)


def _captured(case: Case) -> Iterator[Finding]:
    ordered = {told.payment_ids[0]: told.order for told in case.evidence.told if told.payment_ids}
    for payment_id, row in case.payments.items():
        order, captured, status = (
            ordered.get(payment_id),
            case.money(case.captures[payment_id]),
            row["status"],
        )
        if order is None:
            continue
        due = [(order.amount, order.currency)]
        if (row["amount_minor"], row["currency"]) != due[0]:
            yield Finding(
                payment_id, f"{due[0]} was ordered, {row['amount_minor']} {row['currency']} is booked"
            )
        if status == "SUCCEEDED" and captured != due:
            yield Finding(payment_id, f"SUCCEEDED for {due}, captured {captured or 'nothing'}", Harm.LOST)
        if status == "REVIEW" and (not captured or captured == due):
            yield Finding(payment_id, f"waits in REVIEW with {captured or 'nothing'} captured of {due}")
        waits_for_a_person = payment_id in case.quarantined and not case.refunds[payment_id]
        if case.came_late(payment_id) and not (waits_for_a_person or case.given_back(payment_id)):
            yield Finding(payment_id, f"is {status}, keeps {captured}, and nobody was told", Harm.LOST)


def _entitled(case: Case) -> Iterator[Finding]:
    for payment_id, rights in case.evidence.rights.items():
        row = case.payments.get(payment_id)
        if row is None:
            continue
        active = [(right["source"]["id"], right["feature"]) for right in rights if right["active"]]
        earned = (
            row["status"] == "SUCCEEDED"
            and row["refund_status"] != "FULL"
            and row["dispute_status"] in {"NONE", "WON"}
        )
        due = [(payment_id, FEATURE)] if earned else []
        if active != due:
            harm = Harm.LOST if len(active) < len(due) else Harm.DOUBLED
            yield Finding(payment_id, f"is {row['status']}, its user may {active or 'do nothing'}", harm)


def _told(case: Case) -> Iterator[Finding]:
    for endpoint in case.evidence.rows["webhook_endpoints"]:
        if endpoint["status"] != "enabled":
            yield Finding(endpoint["id"], f"is {endpoint['status']}: its shop hears nothing")
    logs = _grouped(case.evidence.rows["events"], "tenant_id")
    for tenant_id in logs.keys() | case.letters.keys():
        log, letters = logs[tenant_id], case.letters[tenant_id]
        if sorted(event["sequence"] for event in log) != list(range(1, len(log) + 1)):
            yield Finding(tenant_id, "has gaps or repeats in the sequence of its events")
        yield from _letters(letters, {event["id"]: event for event in log})


def _letters(letters: list[Letter], log: Mapping[str, Json]) -> Iterator[Finding]:
    contents: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for letter in letters:
        contents[letter.event_id].add((letter.body_sha256, letter.sequence, letter.type, letter.payment_id))
    taken = {letter.event_id for letter in letters if letter.answer == 200}
    for event_id in log.keys() - taken:
        event = log[event_id]
        yield Finding(event["payment_id"] or event_id, f"{event['type']} never reached its shop", Harm.LOST)
    for event_id, versions in contents.items():
        if len(versions) > 1:
            yield Finding(event_id, f"was delivered with {len(versions)} different bodies")
        found = log.get(event_id)
        said = {version[1:] for version in versions}
        if found is None:
            yield Finding(event_id, "was delivered and is in nobody's log")
        elif said != {(found["sequence"], found["type"], found["payment_id"])}:
            yield Finding(event_id, f"was delivered as {said}, and is another thing in the log")


def _balanced(case: Case) -> Iterator[Finding]:
    sums: Counter[tuple[str, str]] = Counter()
    held: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in case.evidence.rows["ledger_entries"]:
        sums[entry["transaction_id"], entry["currency"]] += entry["amount_minor"]
        if entry["account"] == "provider_receivable":
            held[entry["payment_id"]][entry["currency"]] += entry["amount_minor"]
    for (transaction, currency), total in sums.items():
        if total != 0:
            yield Finding(transaction, f"sums to {total} {currency}")
    for payment_id in case.payments:
        theirs: Counter[str] = Counter()
        for capture in case.captures[payment_id]:
            theirs[capture["currency"]] += capture["amount"]
        for refund in case.refunds[payment_id]:
            theirs[refund["currency"]] -= refund["amount"]
        # Quarantined money is in no book of ours until a person has decided about it.
        pending = case.came_late(payment_id) and not case.refunds[payment_id]
        ours = held[payment_id]
        if not pending and {k: v for k, v in ours.items() if v} != {k: v for k, v in theirs.items() if v}:
            yield Finding(payment_id, f"our book says {dict(ours)}, the payment company's {dict(theirs)}")


def _apart(case: Case) -> Iterator[Finding]:
    owned: dict[str, set[str]] = defaultdict(set)
    for row in case.payments.values():
        owned[row["tenant_id"]].add(row["id"])
    for tenant_id, listed in case.evidence.lists.items():
        seen = {payment["id"] for payment in listed}
        for payment_id in seen - owned[tenant_id]:
            yield Finding(payment_id, f"is shown to {tenant_id}, whose it is not")
        for payment_id in owned[tenant_id] - seen:
            yield Finding(payment_id, f"is not shown to its owner {tenant_id}", Harm.LOST)
    addresses = {told.order.shop: told.tenant_id for told in case.evidence.told}
    for letter in case.evidence.letters:
        if addresses.get(letter.shop) != letter.tenant_id:
            yield Finding(letter.event_id, f"of {letter.tenant_id} was delivered to shop {letter.shop}")
    for trespass in case.evidence.trespasses:
        if trespass["status"] != 404:
            yield Finding(
                trespass["payment"], f"was answered to {trespass['tenant']} with {trespass['status']}"
            )


def _drained(case: Case) -> Iterator[Finding]:
    for event in case.evidence.rows["inbox"]:
        payment_id = event["payment_id"]
        late = event["state"] == "QUARANTINED" and payment_id in case.payments and case.came_late(payment_id)
        if event["state"] != "PROCESSED" and not late:
            subject = payment_id or event["event_id"]
            yield Finding(subject, f"{event['event_id']} is {event['state']} ({event['note']})", Harm.STUCK)
    for delivery in case.evidence.rows["deliveries"]:
        if delivery["state"] != "DELIVERED":
            tried = f"{delivery['attempts']} attempts, {delivery['last_error']}"
            yield Finding(delivery["event_id"], f"is {delivery['state']} after {tried}", Harm.STUCK)


def _excused(case: Case) -> Iterator[Finding]:
    for tenant_id, request in case.evidence.bugs:
        yield Finding(tenant_id, f"was answered 500 to {request}")


def _verified(case: Case) -> Iterator[Finding]:
    for check in case.evidence.verified["checks"]:
        if check["outcome"] == "breach":
            for finding in check["findings"]:
                yield Finding(finding["subject"], f"{check['promise']}: {finding['problem']}")


_LOOKS: Final[Mapping[str, Callable[[Case], Iterator[Finding]]]] = {
    "I1 every accepted payment ends once": _ends,
    "I2 the provider acted once": _provider,
    "I3 succeeded means captured, amount and currency agreeing": _captured,
    "I4 rights follow the money": _entitled,
    "I5 shops are told everything, without gaps": _told,
    "I6 our books balance and equal the provider's": _balanced,
    "I8 tenants see their own only": _apart,
    "I9 inbox and outbox are drained": _drained,
    "Outages are told as such, never as bugs (500)": _excused,
    "paysaga verify agrees": _verified,
}
