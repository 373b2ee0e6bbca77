"""The judgement finds what is wrong: sound evidence is doctored, and each time it must say what and where."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from tests.chaos import books
from tests.chaos.books import AMOUNT, row, sound
from tests.chaos.evidence import Evidence
from tests.chaos.judgement import Harm, harmed, judge
from tests.chaos.mail import Letter

LOST, DOUBLED, STUCK = Harm


class Doctored(NamedTuple):
    """A breach: how it shows in the evidence, and how the judgement must name it."""

    name: str
    promise: str
    subject: str
    problem: str
    harm: Harm | None
    doctor: Callable[[Evidence], Any]


def again(rows: list[dict[str, Any]], payment_id: str, **changes: Any) -> None:
    """The same thing a second time."""
    rows.append(next(each for each in rows if payment_id in each.values()) | changes)


def without(rows: list[Any], payment_id: str) -> None:
    rows[:] = [each for each in rows if payment_id not in each.values()]


def lost(letters: list[Letter], event_id: str) -> None:
    letters[:] = [each for each in letters if each.event_id != event_id]


def refused(letters: list[Letter], event_id: str) -> None:
    letters[:] = [replace(each, answer=500) if each.event_id == event_id else each for each in letters]


BREACHES = [
    # What was ordered, and how it ended
    Doctored(
        "a payment that vanished", "I1", "pay_expired", "was accepted and is nowhere", LOST,
        lambda e: without(e.rows["payments"], "pay_expired"),
    ),
    Doctored(
        "an order nobody answered", "I1", "ten_0 order-1", "was never answered", STUCK,
        lambda e: books.told(e, "pay_expired").payment_ids.clear(),
    ),
    Doctored(
        "two payments under one key", "I1", "pay_paid", "one key made 2 payments", DOUBLED,
        lambda e: books.told(e, "pay_paid").payment_ids.append("pay_twin"),
    ),
    Doctored(
        "a payment nobody ordered", "I1", "pay_ghost", "was never ordered", DOUBLED,
        lambda e: again(e.rows["payments"], "pay_expired", id="pay_ghost"),
    ),
    Doctored(
        "a payment without an end", "I1", "pay_expired", "is still UNKNOWN", STUCK,
        lambda e: row(e, "payments", id="pay_expired").update(status="UNKNOWN"),
    ),
    Doctored(
        "a shop that never heard of the end", "I1", "pay_paid", "its shop never got there", STUCK,
        lambda e: setattr(books.told(e, "pay_paid"), "over", False),
    ),
    Doctored(
        "a payment that ended twice", "I1", "pay_paid", "its history says ['SUCCEEDED', 'SUCCEEDED']", None,
        lambda e: again(e.rows["payment_events"], "pay_paid", type="payment.succeeded"),
    ),
    Doctored(
        "an end that shops were told otherwise", "I1", "pay_expired", "its shop's post says ['FAILED']", None,
        lambda e: [
            books.rewrite(e, "pay_expired", "payment.expired", type="payment.failed") for _ in range(2)
        ],
    ),
    Doctored(
        "an end that did not last", "I1", "pay_paid", "after its shop was told", None,
        lambda e: books.told(e, "pay_paid").statuses.insert(0, "EXPIRED"),
    ),
    # What the payment company did
    Doctored(
        "a doubled capture", "I2", "pay_paid", "was captured 2 times", DOUBLED,
        lambda e: again(e.ledger["captures"], "pay_paid", id="py_2"),
    ),
    Doctored(
        "a second checkout", "I2", "pay_paid", "has 2 checkouts", DOUBLED,
        lambda e: again(e.ledger["sessions"], "pay_paid", id="cs_2"),
    ),
    Doctored(
        "a failure that is none", "I2", "pay_expired", "is FAILED, but has a checkout", None,
        lambda e: row(e, "payments", id="pay_expired").update(status="FAILED"),
    ),
    Doctored(
        "money of a payment we do not know", "I2", "pay_ghost", "is known to the payment company", LOST,
        lambda e: again(e.ledger["captures"], "pay_paid", reference="pay_ghost"),
    ),
    Doctored(
        "a refund beyond the capture", "I2", "pay_returned", "got back more than was captured", DOUBLED,
        lambda e: e.ledger["refunds"][0].update(amount=AMOUNT + 1),
    ),
    Doctored(
        "one refund made twice", "I2", "pay_returned", "was made 2 times", DOUBLED,
        lambda e: again(e.ledger["refunds"], "pay_returned", id="re_2"),
    ),
    Doctored(
        "a refund that is none of ours", "I2", "pay_returned", "is none of ours", LOST,
        lambda e: e.rows["refunds"].clear(),
    ),
    # Paid means paid
    Doctored(
        "success without money", "I3", "pay_paid", "captured nothing", LOST,
        lambda e: e.ledger["captures"].pop(0),
    ),
    Doctored(
        "success with other money", "I3", "pay_paid", "captured [(4999, 'EUR')]", LOST,
        lambda e: e.ledger["captures"][0].update(amount=AMOUNT - 1),
    ),
    Doctored(
        "success in another currency", "I3", "pay_paid", "captured [(5000, 'HUF')]", LOST,
        lambda e: e.ledger["captures"][0].update(currency="HUF"),
    ),
    Doctored(
        "another amount than was ordered", "I3", "pay_expired", "was ordered, 1 EUR is booked", None,
        lambda e: row(e, "payments", id="pay_expired").update(amount_minor=1),
    ),
    Doctored(
        "a review of what is right", "I3", "pay_wrong", "waits in REVIEW", None,
        lambda e: e.ledger["captures"][-1].update(amount=AMOUNT),
    ),
    Doctored(
        "late money that nobody was told of", "I3", "pay_late", "nobody was told", LOST,
        lambda e: row(e, "inbox", payment_id="pay_late").update(state="PROCESSED"),
    ),
    Doctored(
        "late money returned in part", "I3", "pay_returned", "nobody was told", LOST,
        lambda e: e.ledger["refunds"][0].update(amount=AMOUNT - 1),
    ),
    Doctored(
        "late money returned, and not written down", "I3", "pay_returned", "nobody was told", LOST,
        lambda e: row(e, "payments", id="pay_returned").update(refund_status="NONE"),
    ),
    Doctored(
        "late money whose refund failed", "I3", "pay_returned", "nobody was told", LOST,
        lambda e: e.ledger["refunds"][0].update(status="failed"),
    ),
    # Rights
    Doctored(
        "paid and not entitled", "I4", "pay_paid", "its user may do nothing", LOST,
        lambda e: e.rights["pay_paid"].clear(),
    ),
    Doctored(
        "entitled twice", "I4", "pay_paid", "its user may", DOUBLED,
        lambda e: e.rights["pay_paid"].extend(e.rights["pay_paid"][:]),
    ),
    Doctored(
        "entitled without having paid", "I4", "pay_expired", "is EXPIRED, its user may", DOUBLED,
        lambda e: e.rights["pay_expired"].extend(e.rights["pay_paid"]),
    ),
    Doctored(
        "entitled after a full refund", "I4", "pay_paid", "its user may", DOUBLED,
        lambda e: row(e, "payments", id="pay_paid").update(refund_status="FULL"),
    ),
    # The shops' post
    Doctored(
        "an event that never arrived", "I5", "pay_paid", "payment.succeeded never reached its shop", LOST,
        lambda e: lost(e.letters, "evt_pay_paid_succeeded"),
    ),
    Doctored(
        "an event that was always refused", "I5", "pay_paid", "payment.created never reached", LOST,
        lambda e: refused(e.letters, "evt_pay_paid_created"),
    ),
    Doctored(
        "another body under one id", "I5", "evt_pay_paid_created", "2 different bodies", None,
        lambda e: books.rewrite(e, "pay_paid", "payment.created", body_sha256="another"),
    ),
    Doctored(
        "a gap in the sequence", "I5", "ten_0", "gaps or repeats", None,
        lambda e: row(e, "events", id="evt_pay_paid_pending").update(sequence=99),
    ),
    Doctored(
        "a letter that is in no log", "I5", "evt_forged", "in nobody's log", None,
        lambda e: books.rewrite(e, "pay_paid", "payment.created", event_id="evt_forged"),
    ),
    Doctored(
        "a letter with another number than in the log", "I5", "evt_pay_paid_created", "another thing", None,
        lambda e: books.rewrite(e, "pay_paid", "payment.created", sequence=77),
    ),
    Doctored(
        "an endpoint that was switched off", "I5", "whe_1", "its shop hears nothing", None,
        lambda e: row(e, "webhook_endpoints", id="whe_1").update(status="disabled"),
    ),
    # The books
    Doctored(
        "a transaction that does not balance", "I6", "txn_pay_paid", "sums to 1 EUR", None,
        lambda e: e.rows["ledger_entries"][1].update(amount_minor=1 - AMOUNT),
    ),
    Doctored(
        "money that is in no book", "I6", "pay_paid", "our book says {}", None,
        lambda e: without(e.rows["ledger_entries"], "pay_paid"),
    ),
    Doctored(
        "money in our book alone", "I6", "pay_wrong", "the payment company's {}", None,
        lambda e: without(e.ledger["captures"], "pay_wrong"),
    ),
    # Tenants apart
    Doctored(
        "another tenant's payment in a list", "I8", "pay_late", "is shown to ten_0", None,
        lambda e: e.lists["ten_0"].append({"id": "pay_late"}),
    ),
    Doctored(
        "a payment its owner cannot see", "I8", "pay_paid", "is not shown to its owner", LOST,
        lambda e: e.lists["ten_0"].pop(0),
    ),
    Doctored(
        "another tenant's post", "I8", "evt_pay_paid_created", "was delivered to shop 1", None,
        lambda e: books.rewrite(e, "pay_paid", "payment.created", shop=1),
    ),
    Doctored(
        "a stranger's question answered", "I8", "pay_late", "was answered to ten_0 with 200", None,
        lambda e: e.trespasses[0].update(status=200),
    ),
    # Inbox and outbox
    Doctored(
        "an event that took no effect", "I9", "pay_paid", "is RECEIVED", STUCK,
        lambda e: row(e, "inbox", payment_id="pay_paid").update(state="RECEIVED"),
    ),
    Doctored(
        "an event about nobody", "I9", "evt_at_company_0", "is UNMATCHED", STUCK,
        lambda e: e.rows["inbox"][0].update(state="UNMATCHED", payment_id=None),
    ),
    Doctored(
        "a quarantine without late money", "I9", "pay_paid", "is QUARANTINED", STUCK,
        lambda e: row(e, "inbox", payment_id="pay_paid").update(state="QUARANTINED"),
    ),
    Doctored(
        "a delivery given up", "I9", "evt_pay_paid_created", "is EXHAUSTED after 2 attempts", STUCK,
        lambda e: row(e, "deliveries", event_id="evt_pay_paid_created").update(state="EXHAUSTED"),
    ),
    Doctored(
        "a bug in an answer", "Outages", "ten_0", "was answered 500 to POST /v1/payments", None,
        lambda e: e.bugs.append(("ten_0", "POST /v1/payments")),
    ),
    Doctored(
        "a record of the trail that was changed", "I7", "ten_0 3", "edited", None,
        lambda e: e.verified["checks"][1].update(
            outcome="breach", findings=[{"subject": "ten_0 3", "problem": "edited: aud_3"}]
        ),
    ),
    Doctored(
        "what the platform finds by itself", "paysaga verify", "pay_paid", "I2: captured twice", None,
        lambda e: e.verified["checks"].append(
            {
                "promise": "I2",
                "outcome": "breach",
                "findings": [{"subject": "pay_paid", "problem": "captured twice"}],
            }
        ),
    ),
]  # fmt: skip


def test_sound_evidence_shows_no_breach() -> None:
    assert [ruling.promise for ruling in judge(sound()) if ruling.findings] == []


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.name)
def test_a_breach_is_named(breach: Doctored) -> None:
    evidence = sound()
    breach.doctor(evidence)
    (ruling,) = [each for each in judge(evidence) if each.promise.startswith(breach.promise)]
    named = [each for each in ruling.findings if each.subject == breach.subject]
    assert any(breach.problem in each.problem and each.harm is breach.harm for each in named), ruling.findings


def test_every_promise_can_be_found_broken() -> None:
    breached = {breach.promise for breach in BREACHES}
    for ruling in judge(sound()):
        assert "not checked" in ruling.checked or any(map(ruling.promise.startswith, breached)), ruling


def test_a_payment_that_suffers_twice_is_counted_once() -> None:
    evidence = sound()
    again(evidence.ledger["captures"], "pay_paid", id="py_2")
    again(evidence.ledger["sessions"], "pay_paid", id="cs_2")
    assert harmed(judge(evidence), DOUBLED) == {"pay_paid"}


def test_late_money_may_wait_for_a_person_or_go_back() -> None:
    evidence = sound()
    # What waits now is returned one day, and both must count as right.
    again(
        evidence.ledger["refunds"], "pay_returned", id="re_2", reference="pay_late", refundReference="ref_2"
    )
    evidence.rows["refunds"].append({"id": "ref_2", "payment_id": "pay_late"})
    row(evidence, "payments", id="pay_late").update(refund_status="FULL")
    row(evidence, "inbox", payment_id="pay_late").update(state="PROCESSED")
    assert [ruling.promise for ruling in judge(evidence) if ruling.findings] == []
