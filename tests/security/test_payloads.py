"""What Temporal keeps of us says nothing to whoever reads it, and nobody changes or moves it unseen."""

import base64
from pathlib import Path
from typing import Any

import pytest
import typer
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from local.keys import load_or_make
from terminal import tell
from tests.house import b64
from workflows.payloads import data_converter, key_id

OLD, NEW, FOREIGN = bytes(31) + b"\x01", bytes(31) + b"\x02", bytes(31) + b"\x03"
SECRET = "Anna's order of 19 900 Ft"


def payment(number: int, *keys: bytes) -> DataConverter:
    """What seals and opens for one payment's workflow."""
    return data_converter(keys).with_context(WorkflowSerializationContext("paysaga", f"payment:ten:{number}"))


async def opened(converter: DataConverter, payloads: list[Payload]) -> Any:
    (value,) = await converter.decode(payloads)
    return value


# --- Sealing --------------------------------------------------------------------------------------


async def test_what_is_sealed_shows_nothing_and_opens_to_what_it_was() -> None:
    sealed = await payment(1, NEW).encode([SECRET])
    assert b"Anna" not in sealed[0].SerializeToString()
    # How it was encoded is inside, too.
    assert b"json" not in sealed[0].SerializeToString()
    assert await opened(payment(1, NEW), sealed) == SECRET


async def test_the_same_words_are_never_sealed_to_the_same_bytes() -> None:
    first, again = await payment(1, NEW).encode([SECRET, SECRET])
    assert first.data != again.data


@pytest.mark.parametrize("place", range(0, 90, 7))
async def test_one_bit_changed_is_found_wherever_it_is(place: int) -> None:
    (sealed,) = await payment(1, NEW).encode([SECRET])
    data = bytearray(sealed.data)
    data[place % len(data)] ^= 1
    with pytest.raises(PermissionError, match="was changed"):
        await opened(payment(1, NEW), [Payload(metadata=dict(sealed.metadata), data=bytes(data))])


@pytest.mark.parametrize("length", [0, 11, 12, 27])
async def test_what_was_cut_off_is_refused(length: int) -> None:
    (sealed,) = await payment(1, NEW).encode([SECRET])
    with pytest.raises(PermissionError, match="was changed"):
        await opened(payment(1, NEW), [Payload(metadata=dict(sealed.metadata), data=sealed.data[:length])])


async def test_a_payload_does_not_open_in_another_workflow_nor_with_its_label_changed() -> None:
    (sealed,) = await payment(1, NEW).encode([SECRET])
    with pytest.raises(PermissionError, match="another workflow"):
        await opened(payment(2, NEW), [sealed])
    (of_the_other,) = await payment(2, NEW).encode(["another"])
    relabelled = Payload(metadata=dict(of_the_other.metadata), data=sealed.data)
    unlabelled = Payload(metadata=dict(sealed.metadata), data=sealed.data)
    del unlabelled.metadata["for"]
    for moved in relabelled, unlabelled:
        with pytest.raises(PermissionError, match="was changed"):
            await opened(payment(2, NEW), [moved])


async def test_a_workflow_and_its_steps_read_each_other() -> None:
    step = data_converter([NEW]).with_context(
        ActivitySerializationContext(
            namespace="paysaga",
            activity_id="1",
            activity_type="settle",
            activity_task_queue="payments",
            workflow_id="payment:ten:1",
            workflow_type="Payment",
            is_local=False,
        )
    )
    assert await opened(step, await payment(1, NEW).encode([SECRET])) == SECRET
    assert await opened(payment(1, NEW), await step.encode([SECRET])) == SECRET


async def test_what_a_schedule_was_given_opens_in_each_workflow_it_starts() -> None:
    def of(workflow_id: str) -> DataConverter:
        return data_converter([NEW]).with_context(WorkflowSerializationContext("paysaga", workflow_id))

    given = await of("reconciliation:ten:sandbox").encode([SECRET])
    assert await opened(of("reconciliation:ten:sandbox-2026-11-22T05:00:00Z"), given) == SECRET
    with pytest.raises(PermissionError, match="another workflow"):
        await opened(of("reconciliation:ten:stripe-2026-11-22T05:00:00Z"), given)


# --- Keys -----------------------------------------------------------------------------------------


async def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    before = await payment(1, OLD).encode([SECRET])
    ready = payment(1, OLD, NEW)
    turned = payment(1, NEW, OLD)
    after = await turned.encode([SECRET])
    # Those that know the new key only as their second read what the first ones to turn have written.
    assert [await opened(each, after) for each in (ready, turned)] == [SECRET, SECRET]
    assert await opened(turned, before) == SECRET
    with pytest.raises(PermissionError, match=f"key {key_id(OLD)}, which is not configured"):
        await opened(payment(1, NEW), before)


async def test_an_unknown_key_is_named_and_what_is_no_name_is_not_repeated() -> None:
    (sealed,) = await payment(1, FOREIGN).encode([SECRET])
    with pytest.raises(PermissionError, match=key_id(FOREIGN)):
        await opened(payment(1, NEW), [sealed])
    sealed.metadata["key-id"] = b"\xff<script>"
    with pytest.raises(PermissionError, match="key of another form"):
        await opened(payment(1, NEW), [sealed])


async def test_what_was_plain_before_there_were_keys_is_read_unless_that_was_ended() -> None:
    plain = await data_converter().encode([SECRET])
    assert await opened(payment(1, NEW), plain) == SECRET
    with pytest.raises(PermissionError, match="not sealed"):
        await opened(data_converter([NEW], plain_allowed=False), plain)


async def test_without_keys_all_stays_plain_and_what_is_sealed_is_refused_by_name() -> None:
    assert SECRET.encode() in (await data_converter().encode([SECRET]))[0].data
    with pytest.raises(PermissionError, match=key_id(NEW)):
        await opened(data_converter(), await payment(1, NEW).encode([SECRET]))


def test_a_data_directory_keeps_the_keys_it_has_sealed_with(tmp_path: Path) -> None:
    keys = load_or_make(tmp_path / "secrets.json")
    assert keys.payload_keys == ""
    made = keys.with_payload_keys("")
    assert len(base64.b64decode(made.payload_keys)) == 32
    assert made.with_payload_keys("") == made
    turned = made.with_payload_keys(b64(NEW))
    assert turned.payload_keys == f"{b64(NEW)},{made.payload_keys}"
    assert turned.with_payload_keys(b64(NEW)) == turned


def test_the_command_line_starts_nothing_in_plain_where_nobody_said_that_it_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def deed(_platform: Any, _temporal: Any) -> None:
        pytest.fail("it was done")

    for name in "PAYSAGA_READY_FILE", "PAYSAGA_PAYLOAD_KEYS", "PAYSAGA_ENV":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAYSAGA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PAYSAGA_DATABASE_URL", "postgresql://paysaga_runtime@127.0.0.1:9/none")
    monkeypatch.setenv("PAYSAGA_TEMPORAL_ADDRESS", "127.0.0.1:9")
    with pytest.raises(typer.Exit):
        tell(deed)
    assert "PAYSAGA_PAYLOAD_KEYS" in capsys.readouterr().err


# --- Failures -------------------------------------------------------------------------------------


def refuse(why: str) -> None:
    raise ApplicationError(why, {"order": why}, type="ProviderRejected") from ValueError(why)


async def test_a_failure_gives_neither_its_words_nor_its_place_away() -> None:
    failure = Failure()
    with pytest.raises(ApplicationError) as caught:
        refuse(SECRET)
    await payment(1, NEW).encode_failure(caught.value, failure)
    raw = failure.SerializeToString()
    assert b"Anna" not in raw
    assert b"test_payloads.py" not in raw
    # What retries are decided by stays readable.
    assert failure.application_failure_info.type == "ProviderRejected"
    found = await payment(1, NEW).decode_failure(failure)
    assert isinstance(found, ApplicationError)
    assert (found.message, found.details, str(found.__cause__)) == (
        SECRET,
        ({"order": SECRET},),
        f"ValueError: {SECRET}",
    )
