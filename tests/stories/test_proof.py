"""A payment's proof: one signed bundle that anybody can verify elsewhere, with nothing but the public key."""

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from domain import proof
from storage import proofs
from storage.notary import Keyring, Notary, read_keys
from tests.house import House, Json, Receiver, Tenant, eventually, refused

PROJECT = Path(__file__).parents[2]


async def prove(tenant: Tenant, payment: Json) -> Json:
    answer = await tenant.call("GET", f"/v1/payments/{payment['id']}/proof")
    assert answer.status_code == 200, answer.text
    bundle: Json = answer.json()
    return bundle


async def settled(tenant: Tenant, payment: Json) -> Json:
    """The bundle, once every record in it is sealed."""

    async def look() -> Json | None:
        bundle = await prove(tenant, payment)
        return None if bundle["facts"]["audit"]["pending"] else bundle

    bundle: Json = await eventually(look)
    return bundle


async def verify(folder: Path, bundle: Json | str, *options: str) -> tuple[int, str]:
    """``paysaga payments verify`` in a bare environment: no settings, no platform, no network."""
    file = folder / "bundle.json"
    file.write_text(bundle if isinstance(bundle, str) else json.dumps(bundle))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "payments", "verify", str(file), *options),
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


@pytest.fixture(scope="module")
def keys(house: House) -> str:
    return str(house.ready["auditKeysFile"])


@pytest.fixture(scope="module")
async def paid(house: House) -> tuple[Tenant, Json]:
    """A payment that was paid, and in part given back; its tenant was told."""
    async with Receiver.listening() as receiver:
        tenant = await house.tenant(receiver.url)
        payment = await tenant.open(entitlements=[{"feature": "pro"}], description="Kivi, egy láda")
        await tenant.pay(payment)
        await tenant.eventually(payment, "SUCCEEDED")
        await tenant.ended(payment)
        answer = await tenant.call(
            "POST",
            f"/v1/payments/{payment['id']}/refunds",
            json={"amount": 1000},
            headers={"Idempotency-Key": "back"},
        )
        assert answer.status_code == 202, answer.text

        async def told() -> bool | None:
            facts = (await prove(tenant, payment))["facts"]
            letters = [one for event in facts["deliveries"] for one in event["deliveries"]]
            back = facts["standing"]["refundStatus"] == "PARTIAL"
            return (back and all(each["state"] == "DELIVERED" for each in letters)) or None

        await eventually(told)
        return tenant, payment


@pytest.fixture(scope="module")
async def bundle(paid: tuple[Tenant, Json]) -> Json:
    return await settled(*paid)


async def test_a_bundle_holds_the_payment_from_order_to_delivered_webhook(bundle: Json, paid: Any) -> None:
    facts, (tenant, payment) = bundle["facts"], paid
    assert (facts["tenantId"], facts["paymentId"]) == (tenant.id, payment["id"])
    assert (facts["order"]["amountMinor"], facts["order"]["currency"]) == (1990000, "HUF")
    assert facts["order"]["description"] == "Kivi, egy láda"
    assert (facts["standing"]["status"], facts["standing"]["amountRefunded"]) == ("SUCCEEDED", 1000)
    types = [step["type"] for step in facts["transitions"]]
    assert types[:3] == ["payment.created", "payment.pending", "payment.succeeded"]
    (succeeded,) = [step for step in facts["transitions"] if step["type"] == "payment.succeeded"]
    assert succeeded["evidenceSha256"] in [event["bodySha256"] for event in facts["evidence"]]
    assert [(refund["amountMinor"], refund["state"]) for refund in facts["refunds"]] == [(1000, "SUCCEEDED")]
    assert [grant["feature"] for grant in facts["grants"]] == ["pro"]
    assert [event["type"] for event in facts["deliveries"]][:2] == ["payment.created", "payment.pending"]
    assert {one["lastStatus"] for event in facts["deliveries"] for one in event["deliveries"]} == {200}
    assert {record["record"]["resource"] for record in facts["audit"]["records"]} == {
        payment["id"],
        facts["refunds"][0]["id"],
    }


async def test_the_hash_of_a_webhook_is_that_of_the_bytes_its_receiver_got(
    house: House, receiver: Receiver
) -> None:
    tenant = await house.tenant(receiver.url)
    payment = await tenant.open()
    (first, second, *_) = await receiver.count(2)
    told = {
        event["eventId"]: event["bodySha256"]
        for event in (await prove(tenant, payment))["facts"]["deliveries"]
    }
    assert told == {each.body["eventId"]: sha256(each.raw).hexdigest() for each in (first, second)}


async def test_a_settled_bundle_is_verified_on_another_machine(
    bundle: Json, keys: str, tmp_path: Path
) -> None:
    code, printed = await verify(tmp_path, bundle, "--key", keys)
    assert code == 0, printed
    assert "signed by" in printed
    assert f"{len(bundle['facts']['audit']['records'])} records lead to" in printed
    assert "Not looked at" in printed


async def test_a_fresh_bundle_says_which_records_are_not_sealed_yet(
    tenant: Tenant, keys: str, tmp_path: Path
) -> None:
    # Sealed every three seconds: of some payments made one after the other, one is fresher than that.
    for _ in range(20):
        fresh = await prove(tenant, await tenant.open())
        if fresh["facts"]["audit"]["pending"]:
            break
    assert fresh["facts"]["audit"]["pending"]
    code, printed = await verify(tmp_path, fresh, "--key", keys)
    assert code == 0, printed
    assert "had no seal yet" in printed


async def test_without_a_key_nobody_can_say_who_signed(bundle: Json, tmp_path: Path) -> None:
    code, printed = await verify(tmp_path, bundle)
    assert code == 0, printed
    assert "only a key you were given can tell" in printed
    assert "anybody may have signed it" in printed


async def test_another_key_is_not_believed(bundle: Json, tmp_path: Path) -> None:
    code, printed = await verify(tmp_path, bundle, "--key", "A" * 43)
    assert code == 1
    assert "no key that you trust" in printed


async def test_a_bundle_signed_anew_by_somebody_else_is_not_believed(
    bundle: Json, keys: str, tmp_path: Path
) -> None:
    forged = copy.deepcopy(bundle["facts"])
    forged["standing"]["amountRefunded"] = 0
    code, printed = await verify(tmp_path, proofs.signed(Notary([bytes(32)]), forged), "--key", keys)
    assert code == 1, printed


def leaves(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The way to everything that is said in a document."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, *path, name)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from leaves(member, *path, index)
    else:
        yield path


def changed(bundle: Json, path: tuple[Any, ...]) -> Json:
    """The same but for one thing that is said."""
    other = copy.deepcopy(bundle)
    holder: Any = other
    for step in path[:-1]:
        holder = holder[step]
    old = holder[path[-1]]
    holder[path[-1]] = old + 1 if isinstance(old, int) else f"{old}x" if old else "x"
    return other


async def test_whatever_is_changed_is_found(bundle: Json, keys: str) -> None:
    trusted = Keyring(read_keys(Path(keys).read_text())).trusts
    everything = list(leaves(bundle))
    assert len(everything) > 100
    for path in everything:
        try:
            steps = proof.examine(changed(bundle, path), trusted, known_key=True)
        except ValueError:
            continue
        assert proof.verdict(steps) == "broken", path


@pytest.mark.parametrize(
    "doctor",
    [
        lambda text: text.replace('"SUCCEEDED"', '"FAILED"', 1),
        lambda text: text.replace('"facts":', '"facts": {}, "facts":', 1),
        lambda text: text[:-20],
        lambda _: "{}",
        lambda _: "[]",
    ],
    ids=["a word", "a member twice", "cut off", "nothing", "a list"],
)
async def test_a_file_that_is_not_the_bundle_is_refused(
    bundle: Json, keys: str, tmp_path: Path, doctor: Callable[[str], str]
) -> None:
    code, printed = await verify(tmp_path, doctor(json.dumps(bundle)), "--key", keys)
    assert code == 1, printed


async def test_another_tenants_payment_cannot_be_proven(bundle: Json, house: House) -> None:
    stranger = await house.tenant()
    answer = await stranger.call("GET", f"/v1/payments/{bundle['facts']['paymentId']}/proof")
    refused(answer, 404, "not_found")
