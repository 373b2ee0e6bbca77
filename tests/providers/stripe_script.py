"""Stripe as a test would have it: what it answers, in this order, whatever it is asked."""

import json
from collections.abc import AsyncIterator, Iterable
from urllib.parse import parse_qsl

import httpx

from providers.line import Line
from providers.stripe.adapter import Stripe
from tests.providers.stripe_objects import Json

SECRETS = {"apiKey": "sk_test_hush", "webhookSecret": "whsec_new", "previousWebhookSecret": "whsec_old"}


class Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


class Script:
    """Stripe, as told: what it answers one after the other, and what it was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, httpx.Response):
            answer = httpx.Response(200, content=answer if isinstance(answer, bytes) else json.dumps(answer))
        # As it comes over a wire: unread.
        return httpx.Response(answer.status_code, stream=Body(answer.content))

    @property
    def adapter(self) -> Stripe:
        return Stripe(httpx.AsyncClient(transport=httpx.MockTransport(self)), None, SECRETS, Line())

    def form(self, number: int = -1) -> dict[str, str]:
        return dict(parse_qsl(self.asked[number].content.decode(), keep_blank_values=True))

    def query(self, number: int = -1) -> dict[str, str]:
        return dict(self.asked[number].url.params)

    @property
    def keys(self) -> list[str]:
        return [request.headers["idempotency-key"] for request in self.asked]


def refused(status: int, **error: object) -> httpx.Response:
    return httpx.Response(status, json={"error": error})


def listed(entries: Iterable[Json], *, more: bool = False) -> Json:
    return {"object": "list", "data": list(entries), "has_more": more, "url": "/v1/somewhere"}
