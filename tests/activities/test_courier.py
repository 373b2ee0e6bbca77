"""What the courier sends, what it writes down, and when it stops: contract § 6, step by step."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from temporalio.testing import ActivityEnvironment

from activities.courier import CourierActivities, Round
from activities.outbound import Gate, GuardedBackend, guarded_client
from activities.world import World
from domain.endpoint import Endpoint, EndpointStatus
from domain.events import payment_announcement
from domain.payment import PaymentStatus
from domain.signatures import new_secret
from domain.values import new_id
from storage import endpoints, events, outbox
from tests.domain.test_events import payment
from tests.hostile import (
    HEAD,
    Deed,
    continues_for_ever,
    floods,
    floods_in_crumbs,
    hangs_up,
    heard,
    never_ends_its_headers,
    receiving,
    sends_a_bomb,
    talks_nonsense,
)
from tests.house import Delivery, House, Json, Receiver, Tenant
from tests.world import world_of

# What is dated so is left to the test: the house's own courier would begin then.
AHEAD = timedelta(minutes=2)
DAYS = timedelta(days=1)


@dataclass
class Post:
    """A tenant's post in the test's own hands: its endpoints, its events and the time."""

    world: World
    tenant: Tenant
    now: datetime
    woken: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World, tenant: Tenant, **parts: Any) -> Self:
        post = cls(world, tenant, datetime.now(UTC) + AHEAD)
        post.world = replace(world, clock=lambda: post.now, wake=post.wake, **parts)
        return post

    async def wake(self, tenant_id: str, endpoint_ids: Any) -> None:
        assert tenant_id == self.tenant.id
        self.woken += endpoint_ids

    async def listens(self, url: str) -> Endpoint:
        made = Endpoint(
            id=new_id("whe", self.now),
            tenant_id=self.tenant.id,
            sandbox=True,
            url=url,
            created_at=self.now,
            updated_at=self.now,
        )
        secret = new_secret(made.id.encode())
        async with self.world.database.tenant(self.tenant.id) as tx:
            await endpoints.add(tx, self.world.vault, made, secret)
        self.secrets[made.id] = secret
        return made

    async def tell(self, number: int = 1) -> None:
        news = payment_announcement(payment(PaymentStatus.CREATED)).model_copy(update={"payment_id": None})
        told = [news] * number
        async with self.world.database.tenant(self.tenant.id) as tx:
            await events.announce(tx, self.tenant.id, told, self.now)

    async def carry(self, endpoint: Endpoint, **limits: int) -> datetime | None:
        """One round of the courier."""
        errand = Round(tenant_id=self.tenant.id, endpoint_id=endpoint.id)
        return await ActivityEnvironment().run(CourierActivities(self.world, **limits).carry, errand)

    async def attempts(self, endpoint: Endpoint) -> list[Json]:
        return await self.tenant.rows(
            "SELECT a.* FROM delivery_attempts a JOIN deliveries d ON d.id = delivery_id"
            " WHERE endpoint_id = $1 ORDER BY a.at, delivery_id, number",
            endpoint.id,
        )

    async def deliveries(self, endpoint: Endpoint) -> list[Json]:
        return await self.tenant.rows(
            "SELECT d.*, sequence, type FROM deliveries d JOIN events e ON e.id = event_id"
            " WHERE endpoint_id = $1 ORDER BY sequence",
            endpoint.id,
        )

    async def row(self, endpoint: Endpoint) -> Json:
        (found,) = await self.tenant.rows("SELECT * FROM webhook_endpoints WHERE id = $1", endpoint.id)
        return found

    async def change(self, endpoint: Endpoint, **facts: Any) -> None:
        """As its tenant does over HTTP."""
        async with self.world.database.tenant(self.tenant.id) as tx:
            before = await endpoints.get(tx, endpoint.id, lock="change")
            after = before.model_copy(update={"updated_at": self.now + timedelta(microseconds=1)} | facts)
            await endpoints.change(tx, before, after)


@pytest.fixture
async def world(house: House) -> AsyncIterator[World]:
    async with world_of(house) as world:
        yield world


@pytest.fixture
async def post(world: World, tenant: Tenant) -> Post:
    return Post.of(world, tenant)


def signed_with(secret: str, delivery: Delivery) -> bool:
    """As the standard's own library sees it."""
    try:
        Webhook(secret).verify(delivery.raw, delivery.headers)
    except WebhookVerificationError:
        return False
    return True


# --- What is written down -------------------------------------------------------------------------


async def test_an_attempt_is_written_down_with_what_was_sent_and_what_came_back(
    post: Post, receiver: Receiver
) -> None:
    receiver.answers, receiver.headers = [503, 201], {"retry-after": "7", "location": "/x", "x-else": "no"}
    endpoint = await post.listens(receiver.url)
    await post.tell()
    first_at, again_at = post.now, await post.carry(endpoint)
    assert again_at is not None
    post.now = again_at
    assert await post.carry(endpoint) is None
    first, second = await post.attempts(endpoint)
    assert (first["number"], first["status"], first["error"], first["at"]) == (1, 503, None, first_at)
    assert (second["number"], second["status"], second["at"]) == (2, 201, again_at)
    assert first["url"] == receiver.url
    sent = [delivery.headers for delivery in receiver.received]
    for attempt, headers in zip((first, second), sent, strict=True):
        noted = as_json(attempt["request_headers"])
        assert noted.keys() == {
            *("content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature")
        }
        assert noted.items() <= headers.items()
        answered = as_json(attempt["answer_headers"])
        assert answered == {"retry-after": "7", "location": "/x", "server": "uvicorn"}
        assert attempt["answer"] == b""
    (delivery,) = await post.deliveries(endpoint)
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("DELIVERED", 2, 201)
    assert delivery["delivered_at"] == again_at


def as_json(text: Any) -> Json:
    found: Json = httpx.Response(200, text=text).json()
    return found


async def test_where_nobody_answers_the_attempt_says_why(post: Post) -> None:
    endpoint = await post.listens("http://127.0.0.1:9/hook")
    await post.tell()
    await post.carry(endpoint)
    (attempt,) = await post.attempts(endpoint)
    assert (attempt["status"], attempt["error"]) == (None, "no connection")
    assert (attempt["answer_headers"], attempt["answer"]) == (None, None)


async def test_a_late_record_of_an_older_attempt_changes_nothing(post: Post, receiver: Receiver) -> None:
    """Two couriers at the same delivery, as when the first was given up and still runs."""
    endpoint = await post.listens(receiver.url)
    await post.tell()
    receiver.answering.clear()
    receiver.answers = [200, 500]
    both = [asyncio.create_task(post.carry(endpoint)) for _ in range(2)]
    await receiver.count(2)
    receiver.answering.set()
    await asyncio.gather(*both)
    (delivery,) = await post.deliveries(endpoint)
    (attempt,) = await post.attempts(endpoint)
    # Whoever comes first is believed; the other one adds nothing.
    assert delivery["attempts"] == 1
    assert (delivery["state"] == "DELIVERED") == (attempt["status"] == 200)


# --- When it goes out again -----------------------------------------------------------------------


async def test_a_receiver_that_asks_for_time_is_given_it(post: Post, receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [503], {"retry-after": "9"}
    endpoint = await post.listens(receiver.url)
    await post.tell()
    assert await post.carry(endpoint) == post.now + timedelta(seconds=9)


async def test_a_delivery_that_is_wanted_again_while_it_is_under_way_goes_out_at_once(
    post: Post, receiver: Receiver
) -> None:
    receiver.answers = [500] * 3
    endpoint = await post.listens(receiver.url)
    await post.tell()
    again_at = await post.carry(endpoint)
    assert again_at is not None
    post.now = again_at
    receiver.answering.clear()
    carrying = asyncio.create_task(post.carry(endpoint))
    await receiver.count(2)
    (delivery,) = await post.deliveries(endpoint)
    async with post.world.database.tenant(post.tenant.id) as tx:
        await outbox.send_again(tx, delivery["id"], post.now)
    receiver.answering.set()
    assert await carrying == post.now
    (delivery,) = await post.deliveries(endpoint)
    assert (delivery["attempts"], delivery["begun_at_attempt"], delivery["due_at"]) == (2, 1, post.now)


async def test_a_delivery_that_is_wanted_again_before_its_success_is_on_record_goes_out_again(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.listens(receiver.url)
    await post.tell()
    receiver.answering.clear()
    carrying = asyncio.create_task(post.carry(endpoint))
    await receiver.count(1)
    post.now += timedelta(seconds=1)
    (delivery,) = await post.deliveries(endpoint)
    async with post.world.database.tenant(post.tenant.id) as tx:
        await outbox.send_again(tx, delivery["id"], post.now)
    receiver.answering.set()
    assert await carrying == post.now
    await post.carry(endpoint)
    await receiver.count(2)
    (delivery,) = await post.deliveries(endpoint)
    assert (delivery["attempts"], delivery["state"]) == (2, "DELIVERED")


# --- Two secrets ----------------------------------------------------------------------------------


async def test_both_secrets_sign_while_a_rotation_lasts_and_one_afterwards(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.listens(receiver.url)
    old, new = post.secrets[endpoint.id], new_secret(b"n" * 32)
    rotated = endpoint.model_copy(update={"previous_until": post.now + timedelta(seconds=60)})
    async with post.world.database.tenant(post.tenant.id) as tx:
        await endpoints.rotate(tx, post.world.vault, rotated, new)
    for seconds in (59, 1):
        post.now += timedelta(seconds=seconds)
        await post.tell()
        await post.carry(endpoint)
    during, after = await receiver.count(2)
    assert [signed_with(secret, during) for secret in (new, old)] == [True, True]
    assert [signed_with(secret, after) for secret in (new, old)] == [True, False]
    newest_first = during.headers["webhook-signature"].split(" ")
    assert [part.partition(",")[0] for part in newest_first] == ["v1", "v1"]
    assert signed_with(new, replace(during, headers=during.headers | {"webhook-signature": newest_first[0]}))


# --- When it stops --------------------------------------------------------------------------------


async def test_410_disables_an_endpoint_at_once_and_the_others_hear_of_it(
    post: Post, receiver: Receiver
) -> None:
    async with Receiver.listening() as other_receiver:
        gone, other = await post.listens(receiver.url), await post.listens(other_receiver.url)
        await post.tell(2)
        receiver.answers = [410, 410]
        assert await post.carry(gone) is None
        row = await post.row(gone)
        assert (row["status"], row["disabled_reason"]) == ("disabled", "gone")
        assert post.woken == [other.id]
        await post.carry(other)
        told = (await other_receiver.event("endpoint.disabled")).body["data"]
    since = row["failing_since"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert told == {
        "endpointId": gone.id,
        "url": gone.url,
        "reason": "gone",
        "failingSince": since,
        "lastStatus": 410,
    }
    # All of it waits for the endpoint, the news of its own end included, which was told once.
    kept = await post.deliveries(gone)
    assert [(each["state"], each["type"]) for each in kept] == [
        *[("PENDING", "payment.created")] * 2,
        ("PENDING", "endpoint.disabled"),
    ]
    assert await audited(post, gone) == [("courier", "endpoint.disabled", "gone")]
    assert await post.carry(gone) is None
    assert len(receiver.received) == 2


async def audited(post: Post, endpoint: Endpoint) -> list[tuple[str, str, str]]:
    rows = await post.tenant.rows(
        "SELECT actor, action, failure FROM audit_records WHERE resource = $1", endpoint.id
    )
    return [(row["actor"], row["action"], row["failure"]) for row in rows]


async def test_five_days_of_nothing_but_failures_disable_an_endpoint(post: Post, receiver: Receiver) -> None:
    endpoint, began = await post.listens(receiver.url), post.now
    receiver.answers = [500] * 20
    for days in (0, 1, 4.99):
        post.now = began + days * DAYS
        await post.tell()
        await post.carry(endpoint)
        row = await post.row(endpoint)
        assert (row["status"], row["failing_since"]) == ("enabled", began)
    post.now = began + 5 * DAYS
    assert await post.carry(endpoint) is None
    row = await post.row(endpoint)
    assert (row["status"], row["disabled_reason"]) == ("disabled", "failing")
    assert await audited(post, endpoint) == [("courier", "endpoint.disabled", "failing")]


async def test_one_success_and_the_five_days_begin_anew(post: Post, receiver: Receiver) -> None:
    endpoint, began = await post.listens(receiver.url), post.now
    receiver.answers = [500, 200]
    for days in (0, 3):
        post.now = began + days * DAYS
        await post.tell()
        await post.carry(endpoint)
    assert (await post.row(endpoint))["failing_since"] is None
    receiver.answers = [500] * 20
    for days in (4, 6):
        post.now = began + days * DAYS
        await post.tell()
        await post.carry(endpoint)
    row = await post.row(endpoint)
    assert (row["status"], row["failing_since"]) == ("enabled", began + 4 * DAYS)


@pytest.mark.parametrize(
    "change",
    [{"status": EndpointStatus.DISABLED}, {"status": EndpointStatus.DELETED}, {"url": "http://localhost:9/"}],
    ids=["disabled", "deleted", "moved"],
)
async def test_what_a_tenant_changes_counts_from_the_next_attempt_on(
    post: Post, receiver: Receiver, change: dict[str, Any]
) -> None:
    endpoint = await post.listens(receiver.url)
    await post.tell(12)
    receiver.answering.clear()
    carrying = asyncio.create_task(post.carry(endpoint))
    await receiver.count(4)
    await post.change(endpoint, **change)
    receiver.answering.set()
    await carrying
    # The four that were under way are still written down.
    assert [attempt["status"] for attempt in await post.attempts(endpoint)] == [200] * 4
    assert len(receiver.received) == 4


async def test_410_from_an_address_that_has_just_been_changed_disables_nothing(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.listens(receiver.url)
    await post.tell()
    receiver.answers = [410]
    receiver.answering.clear()
    carrying = asyncio.create_task(post.carry(endpoint))
    await receiver.count(1)
    await post.change(endpoint, url="http://localhost:9/elsewhere")
    receiver.answering.set()
    await carrying
    assert (await post.row(endpoint))["status"] == "enabled"


# --- Receivers that mean no good ------------------------------------------------------------------


class _Private(GuardedBackend):
    """A resolver by which every name means a private address by now."""

    async def look_up(self, host: str, port: int) -> list[str]:  # noqa: ARG002
        return ["10.0.0.1"]


class _Rebound(Gate):
    def client(self, *, slow: bool = False) -> httpx.AsyncClient:  # noqa: ARG002
        return guarded_client(development=False, backend=_Private(development=False))


async def test_a_name_that_turns_private_after_registration_is_refused_in_the_log(
    world: World, tenant: Tenant
) -> None:
    post = Post.of(world, tenant, gate=_Rebound(development=False))
    endpoint = await post.listens("https://hook.example.com/x")
    await post.tell()
    assert await post.carry(endpoint) is not None
    (attempt,) = await post.attempts(endpoint)
    refused = "the host has an address that is not public; nothing was sent"
    assert (attempt["status"], attempt["error"]) == (None, refused)


async def talks_long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """More than is kept, and nothing that is text."""
    await heard(reader)
    writer.write(HEAD + b"Server: " + b"s" * 4_000 + b"\r\nContent-Length: 5000\r\n\r\n")
    writer.write(b"\x00\xff" * 2_500)
    await writer.drain()


NO_HTTP = "what came is no answer of HTTP, or only a part of one"
TOO_LONG = "the head of the answer is too long"
WHAT_COMES_OF_IT: dict[Deed, tuple[int | None, str | None]] = {
    floods: (200, None),
    floods_in_crumbs: (200, None),
    sends_a_bomb: (200, None),
    talks_long: (200, None),
    never_ends_its_headers: (None, TOO_LONG),
    continues_for_ever: (None, TOO_LONG),
    talks_nonsense: (None, NO_HTTP),
    hangs_up: (None, f"the answer (200) did not end: {NO_HTTP}"),
}


async def test_of_an_answer_little_is_read_and_less_is_kept(post: Post) -> None:
    async with AsyncExitStack() as receivers:
        for deed, outcome in WHAT_COMES_OF_IT.items():
            endpoint = await post.listens((await receivers.enter_async_context(receiving(deed))).url)
            await post.tell()
            await post.carry(endpoint)
            attempt = (await post.attempts(endpoint))[0]
            assert (attempt["status"], attempt["error"]) == outcome, deed
            assert len(attempt["answer"] or b"") <= 2_048
            assert len(attempt["answer_headers"] or "") <= 2_048


async def test_one_that_was_slow_waits_while_enough_of_its_like_are_being_told(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.listens(receiver.url)
    await post.tell()
    await post.tenant.rows("UPDATE webhook_endpoints SET slow_until = $1", post.now + timedelta(minutes=1))
    assert await post.carry(endpoint, slow_at_once=0) == post.now + timedelta(seconds=5)
    assert receiver.received == []
    assert await post.carry(endpoint, slow_at_once=1) is None
    assert len(receiver.received) == 1
