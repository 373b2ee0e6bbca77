"""A proof bundle: what is known of one payment, signed, to be examined far from here and years later.

It brings the public keys along for whoever wants to compare; they are trusted only by somebody who was given
the same ones before.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from domain import chain
from domain.chain import Checkpoint
from domain.custody import Trusted
from domain.values import Value

PROOF: Final = "paysaga.payment.proof.v1"
Bundle = Mapping[str, Any]
Outcome = Literal["ok", "broken", "open"]


class Step(Value):
    """One thing that was looked at. ``open``: it can be neither confirmed nor refuted by what is at hand."""

    subject: str
    outcome: Outcome
    detail: str


def statement(bundle: Bundle) -> bytes:
    """What the bundle's signature is made of: all of it but the signature."""
    return chain.canonical({name: value for name, value in bundle.items() if name != "signature"})


def examine(bundle: Bundle, trusted: Trusted, *, known_key: bool) -> list[Step]:
    """Look at everything that can be looked at without asking anybody.

    ``trusted`` says whether a key signed something; ``known_key`` whether those keys were given by somebody
    other than the bundle itself. Raises ``ValueError`` for what is no bundle.
    """
    try:
        if bundle["type"] != PROOF:
            raise ValueError("this is another kind of document")
        facts, value = bundle["facts"], bytes.fromhex(bundle["signature"])
        signed = trusted(bundle["keyId"], statement(bundle), value)
        steps = [_signature(bundle["keyId"], signed=signed, known_key=known_key)]
        steps += [*_records(facts, trusted), _pending(facts), _history(facts)]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError("something is missing that every bundle has") from error
    return steps


def _signature(key: str, *, signed: bool, known_key: bool) -> Step:
    subject = "signature"
    if not signed and known_key:
        return Step(
            subject=subject, outcome="broken", detail=f"no key that you trust signed this (it names {key})"
        )
    if not signed:
        return Step(subject=subject, outcome="broken", detail="this is not what was signed")
    if not known_key:
        detail = (
            f"intact under the key it brings along, {key}; whose that is only a key you were given can tell"
        )
        return Step(subject=subject, outcome="open", detail=detail)
    return Step(subject=subject, outcome="ok", detail=f"signed by {key}")


def _records(facts: Bundle, trusted: Trusted) -> Iterator[Step]:
    """Each record belongs to this payment, and leads to a checkpoint that was signed."""
    points = {document["number"]: document for document in facts["audit"]["checkpoints"]}
    read = {}
    for number, document in points.items():
        try:
            read[number] = Checkpoint.read(document)
        except ValueError:
            yield Step(subject=f"checkpoint {number}", outcome="broken", detail="it cannot be read")
            continue
        if not trusted(read[number].key_id, read[number].signed, read[number].signature):
            detail = "no trusted key signed it"
            yield Step(subject=f"checkpoint {number}", outcome="broken", detail=detail)
    names = {facts["paymentId"], *(refund["id"] for refund in facts["refunds"])}
    wrong = 0
    for proven in facts["audit"]["records"]:
        problem = _doubt(facts["tenantId"], names, proven, read.get(proven["checkpoint"]))
        if problem is not None:
            wrong += 1
            yield Step(subject=proven["record"]["id"], outcome="broken", detail=problem)
    counted = len(facts["audit"]["records"])
    if not wrong:
        detail = f"{counted} records lead to {len(read)} signed checkpoints"
        yield Step(subject="audit records", outcome="ok", detail=detail)


def _doubt(tenant_id: str, names: set[str], proven: Bundle, point: Checkpoint | None) -> str | None:
    record, number = proven["record"], proven["number"]
    if record["tenantId"] != tenant_id or record["resource"] not in names:
        return "it tells of something else"
    if point is None or point.tenant_id != tenant_id or not point.first <= number <= point.number:
        return "its checkpoint is missing"
    path = [bytes.fromhex(step) for step in proven["path"]]
    size = point.number - point.first + 1
    if chain.climb(chain.leaf(record), number - point.first, size, path) != point.root:
        return "it is not what was sealed at its place"
    return None


def _pending(facts: Bundle) -> Step:
    waiting = len(facts["audit"]["pending"])
    if waiting:
        detail = f"{waiting} records had no seal yet: only the bundle's own signature speaks for them"
        return Step(subject="unsealed records", outcome="open", detail=detail)
    return Step(subject="unsealed records", outcome="ok", detail="none: every record given is sealed")


def _history(facts: Bundle) -> Step:
    """Each step of the payment has its audit record, of the same moment."""
    audited = {
        (record["action"], record["at"])
        for record in [
            *(proven["record"] for proven in facts["audit"]["records"]),
            *facts["audit"]["pending"],
        ]
    }
    alone = [step["type"] for step in facts["transitions"] if (step["type"], step["at"]) not in audited]
    if alone:
        return Step(subject="history", outcome="broken", detail=f"without audit record: {', '.join(alone)}")
    counted = len(facts["transitions"])
    return Step(subject="history", outcome="ok", detail=f"{counted} steps, each with its audit record")


def verdict(steps: Sequence[Step]) -> Outcome:
    """``ok`` only for a bundle that is what it claims, by a key that was trusted before."""
    if any(step.outcome == "broken" for step in steps):
        return "broken"
    return "open" if steps[0].outcome == "open" else "ok"
