"""The client knows every route of the running platform, every member of its answers, every word in them."""

import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

import pytest
from pydantic import AwareDatetime, BaseModel

from paysaga_client import Paysaga, models
from paysaga_client.models import Page
from paysaga_client.wire import _member
from tests.house import House, Json

client = Paysaga("http://127.0.0.1:9", "story", "pss_0")

_NOT_FOR_TENANTS: Final = {
    "POST /v1/tenants/register", "POST /v1/tenants/login", "POST /v1/tenants/{tenant_id}/suspend",
    "POST /v1/tenants/{tenant_id}/resume", "POST /v1/billing/webhooks/{provider}/{account_id}",
    # What whoever verifies a proof or a token fetches, with no client.
    "GET /v1/audit/keys",
}  # fmt: skip
_OURS_ALONE: Final = {"self", "idempotency_key", "reference", "timeout"}
_PAYER_ONLY: Final = {"token"}
_PLAIN: Final[dict[Any, str]] = {
    str: "string", AwareDatetime: "string", int: "integer", bool: "boolean", dict: "object",
}  # fmt: skip

WAYS: Final[dict[str, tuple[Any, Any]]] = {
    "GET /v1/tenants/me": (client.tenants.me, models.Tenant),
    "PATCH /v1/tenants/me/settings": (client.tenants.change_settings, models.Settings),
    "GET /v1/tenants/me/credentials": (client.credentials.list, Page[models.Credential]),
    "POST /v1/tenants/me/credentials": (client.credentials.create, models.CredentialWithSecret),
    "POST /v1/tenants/me/credentials/{}/rotate": (client.credentials.rotate, models.CredentialWithSecret),
    "DELETE /v1/tenants/me/credentials/{}": (client.credentials.revoke, None),
    "GET /v1/tenants/me/providers": (client.providers.list, Page[models.ProviderAccountWithHealth]),
    "PUT /v1/tenants/me/providers/{}": (client.providers.set, models.ProviderAccount),
    "DELETE /v1/tenants/me/providers/{}": (client.providers.retire, None),
    "POST /v1/payments": (client.payments.create, models.CreatedPayment),
    "GET /v1/payments": (client.payments.list, Page[models.Payment]),
    "GET /v1/payments/{}": (client.payments.get, models.PaymentWithEvents),
    "POST /v1/payments/{}/cancel": (client.payments.cancel, models.Payment),
    "GET /v1/payments/{}/proof": (client.payments.proof, models.Proof),
    "POST /v1/payments/{}/refunds": (client.payments.refund, models.Refund),
    "POST /v1/payments/{}/review": (client.payments.review, models.Approval),
    "GET /v1/refunds": (client.refunds.list, Page[models.Refund]),
    "GET /v1/refunds/{}": (client.refunds.get, models.Refund),
    "GET /v1/approvals": (client.approvals.list, Page[models.Approval]),
    "GET /v1/approvals/{}": (client.approvals.get, models.Approval),
    "POST /v1/approvals/{}/approve": (client.approvals.approve, models.Approval),
    "POST /v1/approvals/{}/reject": (client.approvals.reject, models.Approval),
    "GET /v1/disputes": (client.disputes.list, Page[models.Dispute]),
    "GET /v1/disputes/{}": (client.disputes.get, models.Dispute),
    "POST /v1/disputes/{}/evidence": (client.disputes.answer, models.Dispute),
    "POST /v1/plans": (client.plans.create, models.Plan),
    "GET /v1/plans": (client.plans.list, Page[models.Plan]),
    "GET /v1/plans/{}": (client.plans.get, models.Plan),
    "PATCH /v1/plans/{}": (client.plans.change, models.Plan),
    "POST /v1/billing/session": (client.billing.session, models.BillingSession),
    "GET /v1/billing/status": (client.billing.status, models.BillingStatus),
    "GET /v1/subscriptions": (client.subscriptions.list, Page[models.Subscription]),
    "GET /v1/subscriptions/{}": (client.subscriptions.get, models.WholeSubscription),
    "POST /v1/subscriptions/{}/cancel": (client.subscriptions.cancel, models.Subscription),
    "POST /v1/subscriptions/{}/pause": (client.subscriptions.pause, models.Subscription),
    "POST /v1/subscriptions/{}/resume": (client.subscriptions.resume, models.Subscription),
    "POST /v1/subscriptions/{}/change": (client.subscriptions.change, models.ChangedSubscription),
    "GET /v1/subscriptions/{}/change-preview": (client.subscriptions.preview, models.Preview),
    "GET /v1/invoices": (client.invoices.list, Page[models.Invoice]),
    "GET /v1/invoices/{}": (client.invoices.get, models.Invoice),
    "GET /v1/invoices/{}/pdf": (client.invoices.pdf, bytes),
    "GET /v1/invoices/{}/credit-notes/{}/pdf": (client.invoices.credit_note_pdf, bytes),
    "GET /v1/ledger/balances": (client.ledger.balances, Page[models.Balance]),
    "GET /v1/ledger/entries": (client.ledger.entries, Page[models.LedgerEntry]),
    "POST /v1/reconciliation/runs": (client.reconciliation.start, models.Run),
    "GET /v1/reconciliation/runs": (client.reconciliation.list, Page[models.Run]),
    "GET /v1/reconciliation/runs/{}": (client.reconciliation.get, models.RunInFull),
    "GET /v1/reports/summary": (client.reports.summary, models.Summary),
    "GET /v1/reports/payments.csv": (client.reports.payments_csv, bytes),
    "GET /v1/entitlements": (client.entitlements.list, Page[models.Entitlement]),
    "GET /v1/entitlements/check": (client.entitlements.check, models.Check),
    "POST /v1/entitlements/usage": (client.entitlements.use, models.Usage),
    "GET /v1/audit": (client.audit.list, Page[models.AuditRecord]),
    "GET /v1/audit/verify": (client.audit.verify, models.Verification),
    "POST /v1/webhook-endpoints": (client.webhook_endpoints.create, models.WebhookEndpointWithSecret),
    "GET /v1/webhook-endpoints": (client.webhook_endpoints.list, Page[models.WebhookEndpoint]),
    "GET /v1/webhook-endpoints/{}": (client.webhook_endpoints.get, models.WebhookEndpoint),
    "PATCH /v1/webhook-endpoints/{}": (client.webhook_endpoints.update, models.WebhookEndpoint),
    "DELETE /v1/webhook-endpoints/{}": (client.webhook_endpoints.delete, None),
    "POST /v1/webhook-endpoints/{}/rotate-secret": (
        client.webhook_endpoints.rotate_secret, models.RotatedSecret,
    ),
    "POST /v1/webhook-endpoints/{}/test": (client.webhook_endpoints.test, models.Delivery),
    "GET /v1/webhook-endpoints/{}/deliveries": (client.webhook_endpoints.deliveries, Page[models.Delivery]),
    "POST /v1/webhook-endpoints/{}/recover": (client.webhook_endpoints.recover, models.Recovery),
    "GET /v1/deliveries/{}": (client.deliveries.get, models.Delivery),
    "POST /v1/deliveries/{}/redeliver": (client.deliveries.redeliver, models.Delivery),
    "GET /v1/events": (client.events.list, Page[models.Event]),
    "GET /v1/events/{}": (client.events.get, models.Event),
}  # fmt: skip


@pytest.fixture(scope="module")
async def openapi(house: House) -> Json:
    found: Json = (await house.http.get("/openapi.json")).json()
    return found


def test_the_client_knows_every_route_of_a_tenants(openapi: Json) -> None:
    assert {name for name, _ in routes(openapi)} == WAYS.keys()


def test_every_member_of_a_request_has_its_argument(openapi: Json) -> None:
    for name, operation in routes(openapi):
        method, _ = WAYS[name]
        arguments = list(inspect.signature(method).parameters)[name.count("{}") :]
        ours = {_member(argument) for argument in arguments if argument not in _OURS_ALONE}
        assert ours == set(members_sent(openapi, operation)) - _PAYER_ONLY, name


def test_every_answer_has_the_members_and_words_we_know(openapi: Json) -> None:
    found = []
    for name, operation in routes(openapi):
        _, answer = WAYS[name]
        schema = answered(operation)
        if answer is None or answer is bytes:
            assert schema is None or schema["type"] == "string", name
        else:
            found += list(differences(openapi, schema, answer, name))
    assert found == []


def routes(openapi: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            if path.startswith("/v1/") and name not in _NOT_FOR_TENANTS:
                blank = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
                yield f"{method.upper()} {blank}", operation


def members_sent(openapi: Json, operation: Json) -> Iterator[str]:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            yield parameter["name"]
    content = operation.get("requestBody", {}).get("content", {})
    body = resolved(openapi, content.get("application/json", {}).get("schema", {}))
    for name, schema in body.get("properties", {}).items():
        # What can only be one thing need not be said.
        if "const" not in schema:
            yield name


def answered(operation: Json) -> Json | None:
    first = min(status for status in operation["responses"] if status.startswith("2"))
    for content in operation["responses"][first].get("content", {}).values():
        schema: Json = content["schema"]
        return schema
    return None


def resolved(openapi: Json, schema: Json) -> Json:
    while "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def differences(openapi: Json, schema: Any, ours: Any, where: str) -> Iterator[str]:
    """Where a type of ours and the platform's own differ, members, words and whether there may be none."""
    kinds = [resolved(openapi, each) for each in schema.get("anyOf", [schema])]
    wanted = [kind for kind in kinds if kind.get("type") != "null"]
    inner, optional = without_none(ours)
    if optional is not (len(wanted) < len(kinds)):
        yield f"{where}: may it be absent?"
    (kind,) = wanted
    if typing.get_origin(inner) is typing.Literal:
        if set(typing.get_args(inner)) != set(kind.get("enum", [kind.get("const")])):
            yield f"{where}: {inner} is not {kind}"
    elif kind.get("additionalProperties") is True:
        pass  # the platform does not say what is in it
    elif inspect.isclass(inner) and issubclass(inner, BaseModel):
        yield from missing(openapi, kind, inner, where)
    elif typing.get_origin(inner) is tuple:
        yield from differences(openapi, kind["items"], typing.get_args(inner)[0], f"{where}[]")
    elif _PLAIN.get(typing.get_origin(inner) or inner) != kind.get("type") or "enum" in kind:
        yield f"{where}: {inner} is not {kind}"


def missing(openapi: Json, schema: Json, model: type[BaseModel], where: str) -> Iterator[str]:
    ours = {field.alias or name: field for name, field in model.model_fields.items()}
    theirs = schema.get("properties", {})
    # A page is one model for all lists; most of them have fewer members.
    extra = ours.keys() - theirs.keys() if not issubclass(model, Page) else set()
    for name in sorted(extra | (theirs.keys() - ours.keys())):
        yield f"{where}.{name}: on one side only"
    for name in theirs.keys() & ours.keys():
        if issubclass(model, Page) and name != "data":
            continue
        yield from differences(openapi, theirs[name], ours[name].annotation, f"{where}.{name}")


def without_none(kind: Any) -> tuple[Any, bool]:
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        (inner,) = (each for each in typing.get_args(kind) if each is not type(None))
        return without_none(inner)[0], True
    return kind, False
