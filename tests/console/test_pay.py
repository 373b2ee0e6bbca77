"""The payer's page over HTTP, as a payer's browser asks for it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from api.tokens import Tokens
from console.situations import Situation
from console.texts import TEXTS
from documents.words import Language
from tests.console.payers import Read, payment
from tests.house import DECLINED, House, Json, Tenant, eventually, refused
from tests.reliability.test_late_money import closed_but_payable, refunded
from tests.reliability.test_unknown import asked, unknown
from tests.security.forger import signing_seed
from tests.stories.test_companies import customer_of
from tests.stories.test_refunds import refund

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SHOP: Json = {"successUrl": "https://shop.example/thanks", "cancelUrl": "https://shop.example/cart"}
S = Situation


@dataclass
class Payer:
    """Somebody with a browser and the address of one payment's page."""

    house: House
    payment: Json

    async def ask(self, headers: dict[str, str] | None = None, /, **query: str) -> httpx.Response:
        address = f"/pay/{self.payment['id']}?{urlencode({'token': self.payment['checkoutToken']} | query)}"
        return await self.house.http.get(address, headers=BROWSER | (headers or {}))

    async def look(self, **query: str) -> Read:
        answer = await self.ask(**query)
        assert answer.status_code == 200, answer.text
        return Read(answer.text)

    async def sees(self, situation: Situation) -> Read:
        """The page, once it tells of this situation."""
        title = TEXTS[Language.EN][f"{situation}_title"]

        async def shown() -> Read | None:
            page = await self.look()
            return page if page.one("h1").text == title else None

        found: Read = await eventually(shown)
        return found


async def test_a_payer_follows_a_payment_from_a_declined_card_to_the_money_back(
    house: House, tenant: Tenant
) -> None:
    payment = await tenant.open(**SHOP, description="Pro, yearly")
    payer = Payer(house, payment)
    page = await payer.sees(S.WAITING)
    assert page.links() == [payment["checkoutUrl"]]
    for fact in ("HUF 19,900", "Story", "Pro, yearly", payment["id"], TEXTS[Language.EN]["banner"]):
        assert fact in page.text
    await tenant.pay(payment, card=DECLINED)
    assert (await payer.sees(S.DECLINED)).links() == [payment["checkoutUrl"]]
    await tenant.pay(payment)
    assert (await payer.sees(S.SUCCEEDED)).links() == [SHOP["successUrl"]]
    await refund(tenant, payment, amount=490_000)
    await refunded(tenant, payment, "PARTIAL")
    assert "HUF 4,900 of HUF 19,900" in (await payer.sees(S.PARTLY_REFUNDED)).text


async def test_what_was_cancelled_leads_back_to_the_shop_which_alone_may_begin_again(
    house: House, tenant: Tenant
) -> None:
    payment = await tenant.open(**SHOP)
    await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert (await Payer(house, payment).sees(S.CANCELLED)).links() == [SHOP["cancelUrl"]]


async def test_nothing_an_address_says_beside_its_token_changes_the_page(
    house: House, tenant: Tenant
) -> None:
    payer = Payer(house, await tenant.open())
    honest = await payer.ask()
    for lies in (
        {"status": "succeeded", "situation": "succeeded", "redirect_status": "succeeded"},
        {"session_id": "cs_1", "payment_id": "pay_2", "PayerID": "<script>alert(1)</script>"},
        {"lang": "de"},
        {"lang": "<script>"},
    ):
        assert (await payer.ask(**lies)).text == honest.text
    assert "Waiting for your payment" in honest.text


async def test_a_page_speaks_the_language_it_is_asked_for(house: House, tenant: Tenant) -> None:
    payer = Payer(house, await tenant.open())
    for accepted, lang, language in (
        ("hu-HU,hu;q=0.9,en;q=0.8", None, "hu"),
        ("de,en;q=0.3,hu;q=0.4", None, "hu"),
        ("en-GB,hu;q=0.5", None, "en"),
        ("hu;q=0, de", None, "en"),
        ("hu;q=much", None, "en"),
        ("en", "hu", "hu"),
        ("hu", "en", "en"),
    ):
        asked = {} if lang is None else {"lang": lang}
        answer = await payer.ask({"Accept-Language": accepted}, **asked)
        assert (answer.headers["content-language"], Read(answer.text).one("html").attributes["lang"]) == (
            language,
            language,
        )


async def test_a_page_is_kept_by_nobody_and_told_to_nobody(house: House, tenant: Tenant) -> None:
    payer = Payer(house, await tenant.open())
    headers = (await payer.ask()).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "set-cookie" not in headers
    log = (house.data_dir / "logs" / "api.log").read_text()
    assert '"/pay/{payment_id}"' in log
    assert payer.payment["checkoutToken"].rpartition(".")[2] not in log


async def test_what_others_wrote_does_nothing_on_the_page(house: House) -> None:
    hostile = "<script>alert(1)</script>"
    tenant = await house.tenant(name=hostile)
    page = await Payer(house, await tenant.open(description=f"\"'>{hostile}")).look()
    assert [script.attributes["src"] for script in page.all("script")] == ["/assets/pay.js"]
    assert page.text.count(hostile) == 2


# --- When money does not come as it should ---------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_whoever_looks_at_the_page_of_an_unknown_payment_has_its_provider_asked(
    house: House, tenant: Tenant
) -> None:
    payment = await unknown(tenant, "refuse")
    payer = Payer(house, payment)
    assert "do not pay again" in (await payer.sees(S.UNKNOWN)).text
    before = await asked(house, payment)

    async def often() -> bool | None:
        await payer.look()
        return True if await asked(house, payment) - before >= 5 else None

    # By itself it is asked after 1, 5, 15 and 60 seconds of ours; whoever looks has it asked every second.
    await eventually(often, within=14)
    await house.control("DELETE", "faults")
    await payer.sees(S.EXPIRED)


@pytest.mark.slow
async def test_late_money_is_told_to_be_going_back_and_then_gone(house: House, tenant: Tenant) -> None:
    payment = await closed_but_payable(tenant)
    payer = Payer(house, payment)
    await payer.sees(S.CANCELLED)
    await tenant.fault("refund.create", "before", "status:503", count=1_000)
    await tenant.pay(payment)
    await payer.sees(S.GOING_BACK)
    await house.control("DELETE", "faults")
    assert "HUF 19,900" in (await payer.sees(S.GONE_BACK)).text


# --- Who may see it -------------------------------------------------------------------------------


async def test_only_the_token_of_this_payment_opens_its_page(house: House, tenant: Tenant) -> None:
    payment, other = await tenant.open(), await tenant.open()
    strangers = await (await house.tenant()).open()
    payer = Payer(house, payment)
    for token, status, title in (
        (other["checkoutToken"], 404, "not_found"),
        (strangers["checkoutToken"], 404, "not_found"),
        (tenant.token, 401, "unauthorized"),
        ("nonsense", 401, "unauthorized"),
        ("", 401, "unauthorized"),
        (expired(house, tenant, payment["id"]), 401, "token_expired"),
    ):
        answer = await payer.ask(token=token)
        assert answer.status_code == status, token
        page = Read(answer.text)
        assert page.one("h1").text == TEXTS[Language.EN][f"{title}_title"]
        assert page.one("code").text == answer.headers["x-request-id"]
        assert payment["id"] not in page.text
        assert answer.headers["cache-control"] == "no-store"


def expired(house: House, tenant: Tenant, payment_id: str) -> str:
    """The token of a payment whose time was up two hours ago."""
    then = datetime.now(UTC) - timedelta(hours=3)
    order = {"payment_id": payment_id, "tenant_id": tenant.id, "created_at": then}
    maker = Tokens([signing_seed(house)], house.ready["apiUrl"], timedelta(hours=1))
    return maker.checkout(payment(order=order | {"expires_at": then + timedelta(hours=1)}).order)


@pytest.mark.parametrize("path", ["/pay/", "/pay/pay_unknown", "/pay/pay_unknown/more", "/pay/x?token=y"])
async def test_half_an_address_leads_to_a_page_for_people_and_to_a_problem_for_programs(
    house: House, path: str
) -> None:
    answer = await house.http.get(path, headers=BROWSER | {"Accept-Language": "hu"})
    assert answer.status_code in {401, 404}
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert Read(answer.text).one("html").attributes["lang"] == "hu"
    problem = await house.http.get(path, headers={"Accept": "application/json"})
    refused(problem, answer.status_code, {401: "unauthorized", 404: "not_found"}[answer.status_code])


# --- Where providers send payers ------------------------------------------------------------------


async def test_a_company_that_must_send_payers_somewhere_sends_them_to_this_page(house: House) -> None:
    shop = await customer_of(await house.tenant(), "stripe")
    shop.usual = {}
    payment = await shop.open()
    sent: Any = await shop.pay(payment)
    assert sent.status_code == 303
    came = httpx.URL(sent.headers["location"])
    assert str(came).startswith(f"{house.ready['apiUrl']}/pay/{payment['id']}?")
    assert came.params["token"] == payment["checkoutToken"]
    (row,) = await shop.rows("SELECT success_url, cancel_url FROM payments WHERE id = $1", payment["id"])
    assert dict(row) == {"success_url": None, "cancel_url": None}
    await Payer(house, payment).sees(S.SUCCEEDED)
