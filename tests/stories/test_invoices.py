"""What a subscriber is billed: shown and printed, with the taxes and the names that the tenant gives."""

import pytest

from tests.house import House, Json, Tenant, refused
from tests.stories.test_refunds import becomes, refund
from tests.subscriber import Subscriber, plan

SETTINGS = "/v1/tenants/me/settings"
TAX: Json = {"rateBasisPoints": 2700, "inclusive": False, "label": "ÁFA"}
ISSUER: Json = {"name": "Bolt Kft.", "address": "1011 Budapest\nFő utca 1.", "taxNumber": "12345678-2-41"}
ANNA: Json = {"name": "Kovács Anna", "address": "6720 Szeged", "taxNumber": "HU87654321"}


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    shop = await house.tenant()
    chosen = {"tax": TAX, "invoiceIssuer": ISSUER, "billingZone": "Europe/Budapest"}
    answer = await shop.call("PATCH", SETTINGS, json=chosen)
    assert answer.status_code == 200, answer.text
    return shop


@pytest.fixture(scope="module")
async def anna(shop: Tenant) -> Subscriber:
    """She has paid for a month, of which 1270 were given back."""
    anna = Subscriber(shop, "anna")
    price = (await plan(shop))["prices"][0]
    await anna.subscribes(price, billTo=ANNA, customerEmail="anna@example.com")
    (invoice,) = await anna.invoices()
    given = await refund(shop, {"id": invoice["paymentId"]}, amount=1270, reason="sorry")
    await becomes(shop, given, "SUCCEEDED")
    return anna


@pytest.fixture(scope="module")
async def bob(shop: Tenant) -> Subscriber:
    """He looks at a checkout."""
    bob = Subscriber(shop, "bob")
    await bob.checkout((await plan(shop))["prices"][0])
    return bob


async def shown(shop: Tenant, path: str) -> Json:
    answer = await shop.call("GET", f"/v1/invoices/{path}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_an_invoice_says_what_was_paid_for_by_whom_with_which_tax(anna: Subscriber) -> None:
    (listed,) = await anna.invoices()
    invoice = await shown(anna.tenant, listed["id"])
    assert invoice == listed
    assert (invoice["number"], invoice["status"], invoice["reason"]) == (1, "paid", "subscription_create")
    sums = ("subtotal", "tax", "total", "creditApplied", "amountDue", "amountPaid", "amountCredited")
    assert [invoice[name] for name in sums] == [199_000, 53_730, 252_730, 0, 252_730, 252_730, 1270]
    assert (invoice["taxRate"], invoice["issuer"]) == (TAX, ISSUER | {"email": None})
    assert invoice["recipient"] == ANNA | {"email": "anna@example.com"}
    (line,) = invoice["lines"]
    assert (line["kind"], line["plan"], line["quantity"], line["amount"]) == ("period", "Pro", 1, 199_000)
    assert (line["periodStart"], line["periodEnd"]) == (invoice["periodStart"], invoice["periodEnd"])


async def test_what_was_given_back_is_a_credit_note(anna: Subscriber) -> None:
    (invoice,) = await anna.invoices()
    (note,) = invoice["creditNotes"]
    facts = {"number": 1, "amount": 1270, "tax": 270, "reason": "sorry", "void": False, "currency": "HUF"}
    assert note == note | facts
    (given,) = (await anna.tenant.call("GET", "/v1/refunds")).json()["data"]
    assert note["refundId"] == given["id"]


@pytest.mark.parametrize("language", ["en", "hu", None])
async def test_it_is_printed_in_two_languages(anna: Subscriber, language: str | None) -> None:
    (invoice,) = await anna.invoices()
    notes = f"{invoice['id']}/credit-notes/{invoice['creditNotes'][0]['id']}"
    asked = {} if language is None else {"language": language}
    for path, name in ((invoice["id"], "invoice-1"), (notes, "credit-note-1")):
        answer = await anna.tenant.call("GET", f"/v1/invoices/{path}/pdf", params=asked)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == f'inline; filename="{name}.pdf"'
        assert answer.content.startswith(b"%PDF-")


async def test_a_draft_has_no_number_and_is_not_printed(bob: Subscriber) -> None:
    (draft,) = await bob.invoices()
    assert (draft["status"], draft["number"], draft["openedAt"]) == ("draft", None, None)
    refused(await bob.tenant.call("GET", f"/v1/invoices/{draft['id']}/pdf"), 409, "illegal_transition")


async def test_a_list_shows_whose_and_which_are_wanted(anna: Subscriber, bob: Subscriber) -> None:
    shop = anna.tenant
    (paid,), (draft,) = await anna.invoices(), await bob.invoices()
    filters: list[tuple[Json, list[Json]]] = [
        # Each has a time of its own here: hers is older, and has come further.
        ({}, [paid, draft]),
        ({"status": "paid"}, [paid]),
        ({"subscriptionId": bob.id}, [draft]),
        ({"limit": 1, "offset": 1}, [draft]),
        ({"userId": "nobody"}, []),
    ]
    for wanted, found in filters:
        assert (await shop.call("GET", "/v1/invoices", params=wanted)).json() == {"data": found}
    for wrong in ({"status": "PAID"}, {"limit": 0}, {"offset": -1}, {"userId": ""}):
        refused(await shop.call("GET", "/v1/invoices", params=wrong), 422, "validation_failed")


async def test_nobody_else_finds_it(anna: Subscriber, bob: Subscriber, tenant: Tenant) -> None:
    (invoice,), (draft,) = await anna.invoices(), await bob.invoices()
    note = invoice["creditNotes"][0]["id"]
    for path in ("", "/pdf", f"/credit-notes/{note}/pdf"):
        refused(await tenant.call("GET", f"/v1/invoices/{invoice['id']}{path}"), 404, "not_found")
    for path in (f"{draft['id']}/credit-notes/{note}/pdf", f"{invoice['id']}/credit-notes/crn_x/pdf"):
        refused(await anna.tenant.call("GET", f"/v1/invoices/{path}"), 404, "not_found")
    wrong = await anna.tenant.call("GET", f"/v1/invoices/{invoice['id']}/pdf", params={"language": "de"})
    refused(wrong, 422, "validation_failed")
