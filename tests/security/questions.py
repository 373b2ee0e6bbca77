"""What a stranger can ask: every route of the running OpenAPI, with a foreign name in each place for one."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.house import Json
from tests.stories.visitor import DOORS

# Where a name of something that a tenant owns may stand, and of what.
NAMES: Final = {
    "path": {
        f"{kind}_id": kind
        for kind in (
            *("tenant", "credential", "payment", "refund", "approval", "dispute", "plan", "subscription"),
            *("invoice", "note", "run", "endpoint", "delivery", "event", "account"),
        )
    },
    "query": {
        "userId": "userId",
        "orderId": "orderId",
        "paymentId": "payment",
        "planId": "plan",
        "priceId": "price",
        "subscriptionId": "subscription",
        "feature": "feature",
        "actor": "actor",
        # Of what we only read: what is written leaves a line in the stranger's own trail, with its name.
        "resource": "refund",
        "GET /v1/payments cursor": "payments cursor",
        "GET /v1/ledger/entries cursor": "entries cursor",
        "GET /v1/webhook-endpoints/{endpoint_id}/deliveries cursor": "deliveries cursor",
        "GET /v1/audit cursor": "audit cursor",
    },
    "header": {"Idempotency-Key": "key"},
    "body": {
        "userId": "userId",
        "orderId": "orderId",
        "priceId": "price",
        "appName": "appName",
        "entitlements/feature": "feature",
        "feature": "feature",
        "pricingPlans": "plan",
    },
}
# Where none can stand. Their values are words of ours, numbers, times, or what the caller makes up.
PLAIN: Final = {
    "path": {"provider"},
    "query": {
        *("status", "createdFrom", "createdTo", "limit", "offset", "active", "from", "to", "language"),
        *("quantity", "proration", "prorationDate", "currency", "at", "account", "eventType", "type"),
        *("action", "result", "failure", "provider"),
        # How far the caller has read: a number of its own.
        "after",
        # Made up by whoever sent the request; trails are compared by what they say, not by that.
        "correlationId",
        # A credential, not a name: see test_a_payers_token_opens_one_payment.
        "token",
    },
    "header": set[str](),
    "body": {
        *("active", "afterDunning", "amount", "apiBase", "appSecret", "atPeriodEnd", "billTo", "billingZone"),
        *("billTo/address", "billTo/name", "billTo/taxNumber", "cancelUrl", "checkoutExpiresInSeconds"),
        *("contactEmail", "credentials", "currency", "customerEmail", "decision", "defaultProvider"),
        *("description", "entitlements", "entitlements/durationSeconds", "entitlements/quantity", "events"),
        *("expiresInSeconds", "features", "features/feature", "features/limit", "invoiceIssuer"),
        *("invoiceIssuer/address", "invoiceIssuer/email", "invoiceIssuer/name", "invoiceIssuer/taxNumber"),
        *("latePayment", "metadata", "mode", "name", "organization", "overlapSeconds", "partialRefund"),
        *("prices", "prices/amount", "prices/currency", "prices/interval", "prices/intervalCount"),
        *("prices/perSeat", "prices/providerPrices", "prices/trialDays", "pricingCheckoutUrl", "proration"),
        *("prorationDate", "provider", "providerOrder", "quantity", "reason", "refundApprovalThreshold"),
        *("role", "routingRules", "routingRules/currencies", "routingRules/maxAmount"),
        *("routingRules/minAmount", "routingRules/providers", "sandbox", "since", "statement", "status"),
        *("subscriptionSchedule", "successUrl", "tax", "tax/inclusive", "tax/label", "tax/rateBasisPoints"),
        *("tier", "type", "url", "webhookUrl"),
    },
}
# What a request must say beside the foreign name, to be read at all.
NEEDED: Final = {"GET /v1/entitlements/check": ("feature",), "/change-preview": ("priceId",)}
_BODIES: Final = {(door.method, door.path): door.good for door in DOORS.values()}


@dataclass(frozen=True)
class Place:
    """Somewhere in a request where a name may stand."""

    where: str
    name: str
    kind: str


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    places: tuple[Place, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def variants(self) -> Iterator[tuple[Place, ...]]:
        """Which places hold a foreign name: each alone, and all of an address together."""
        yield from ((place,) for place in self.places)
        address = tuple(place for place in self.places if place.where == "path")
        if len(address) > 1:
            yield address


@dataclass(frozen=True)
class Request:
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    json: Json | None
    sent: tuple[str, ...] = field(default=())
    """The foreign names in it."""


def routes(openapi: Json) -> tuple[list[Route], list[str]]:
    """All there are, and every place that nobody has told us about."""
    found, unknown = [], []
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            route = f"{method.upper()} {path}"
            places = []
            for where, name in _members(openapi, operation):
                known = NAMES[where]
                kind = known.get(f"{route} {name}", known.get(name))
                if kind is not None:
                    places.append(Place(where, name, kind))
                elif name not in PLAIN[where]:
                    unknown.append(f"{route}: {where} {name}")
            if (
                "requestBody" in operation
                and (method.upper(), path) not in _BODIES
                and "webhooks" not in path
            ):
                unknown.append(f"{route}: no body for it among the DOORS")
            found.append(Route(method.upper(), path, tuple(places)))
    return found, unknown


def _members(openapi: Json, operation: Json) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters", ()):
        yield parameter["in"], parameter["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for name in dict.fromkeys(_properties(openapi, content["schema"])):
            yield "body", name


def _properties(openapi: Json, schema: Json, within: str = "") -> Iterator[str]:
    if "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    for some in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(some, ()):
            yield from _properties(openapi, each, within)
    if "items" in schema:
        yield from _properties(openapi, schema["items"], within)
    for name, of in schema.get("properties", {}).items():
        yield f"{within}{name}"
        yield from _properties(openapi, of, f"{within}{name}/")


def request(
    route: Route, foreign: tuple[Place, ...], own: Mapping[str, str], others: Mapping[str, str]
) -> Request:
    """Fill a route in: ``others``' names in the foreign places, our own where something must stand."""
    path, query, headers = route.path.replace("{provider}", "sandbox"), {}, {}
    body: Any = None
    if (route.method, route.path) in _BODIES:
        body = dict(_BODIES[route.method, route.path])
    needed = [name for part, names in NEEDED.items() if part in str(route) for name in names]
    for place in route.places:
        value = (others if place in foreign else own)[place.kind]
        if place.where == "path":
            path = path.replace(f"{{{place.name}}}", value)
        elif place.where == "query" and (place in foreign or place.name in needed):
            query[place.name] = value
        elif place.where == "header":
            # A key of our own names one request only.
            headers[place.name] = value if place in foreign else secrets.token_hex(8)
        elif place.where == "body" and (place in foreign or place.name in body):
            body = _with(body, place.name, value)
    if body is not None and "mode" in body and "priceId" in body:
        body = {name: value for name, value in body.items() if name not in {"customerEmail", "billTo"}}
        body["mode"] = "checkout"
    return Request(path, query, headers, body, tuple(others[place.kind] for place in foreign))


def _with(body: Json, name: str, value: str) -> Json:
    if name == "pricingPlans":
        return body | {name: [value]}
    outer, _, inner = name.partition("/")
    return body | {outer: [{inner: value}] if inner else value}


# --- Answers ----------------------------------------------------------------------------------------

_MASKS: Final = (
    (re.compile(r'"instance":"[^"]*"'), '"instance":""'),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"\b([a-z]{3})_[0-9a-z]{26}\b"), r"<\1>"),
    (re.compile(r"\b[a-z]{2,4}_[\w-]{16,}"), "<name>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)"), "<time>"),
    (re.compile(r'"(used|remaining)":\d+'), r'"\1":<number>'),
    (re.compile(r"/(pay|setup|portal)/[\w-]+"), r"/\1/<page>"),
)


def comparable(status: int, text: str, replayed: str | None, sent: tuple[str, ...]) -> tuple[object, ...]:
    """An answer without what differs between any two: times, and the names of what was made."""
    for name in sorted(sent, key=len, reverse=True):
        text = text.replace(name, "<sent>")
    for mask, instead in _MASKS:
        text = mask.sub(instead, text)
    return status, replayed, text
