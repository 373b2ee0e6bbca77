"""The console's first page over HTTP: it says what the API says, and what waits for whom."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from domain.money import exponent
from tests.console.payers import Read
from tests.house import House, Tenant
from tests.planted import uproot
from tests.security.person import Person

JANUARY: Final = datetime(2026, 1, 1, tzinfo=UTC)
SPAN: Final = {"from": "2026-01-01", "to": "2026-01-31"}
# The same month, as the API is asked for it.
MONTH: Final = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
PLACED: Final = """
    INSERT INTO payments (id, tenant_id, idempotency_key, digest, user_id, amount_minor, currency, provider,
        account_id, entitlements, metadata, sandbox, status, created_at, updated_at, expires_at,
        captured_minor, captured_currency, refund_reserved, amount_refunded, failure_code)
    SELECT 'pay_' || $1::text || $2::text, $1::text, $2::text, 'd', 'user-1', $3::bigint, $4::text, 'sandbox',
        a.id, '[]', '{}', true, $5::text, $6::timestamptz, $6::timestamptz, $6::timestamptz,
        CASE WHEN $5::text = 'SUCCEEDED' THEN $3::bigint ELSE 0 END,
        CASE WHEN $5::text = 'SUCCEEDED' THEN $4::text END, $7::bigint, $7::bigint, $8::text
    FROM provider_accounts a WHERE a.tenant_id = $1::text LIMIT 1
"""
PAID: Final = """
    INSERT INTO payment_events (id, tenant_id, payment_id, type, cause_id, at)
    SELECT 'pev_' || id, tenant_id, id, 'payment.succeeded', 'paid', created_at + interval '75 seconds'
    FROM payments WHERE tenant_id = $1::text AND status = 'SUCCEEDED'
"""
SHELVED: Final = """
    INSERT INTO inbox
        (id, tenant_id, account_id, provider, event_id, state, body, observation, due_at, received_at)
    SELECT 'ibx_' || $1::text, $1::text, a.id, 'sandbox', 'evt_1', 'QUARANTINED', '', '{}',
        $2::timestamptz, $2::timestamptz
    FROM provider_accounts a WHERE a.tenant_id = $1::text LIMIT 1
"""
BOOKS: Final = [
    # Day, amount, currency, status, given back, why not.
    *((day, 10_000 + day, "HUF", "SUCCEEDED", 0, None) for day in range(0, 31, 3)),
    *((day, 1_000 + day, "EUR", "SUCCEEDED", 400, None) for day in range(1, 31, 7)),
    *((day, 500, "HUF", "FAILED", 0, "card_declined") for day in (2, 3, 3)),
    *((day, 500, "EUR", status, 0, None) for day, status in ((4, "CANCELLED"), (5, "REVIEW"))),
    (7, 700, "HUF", "FAILED", 0, "expired_card"),
]


@pytest.fixture(scope="module")
async def shop(house: House) -> AsyncIterator[Tenant]:
    """With a month of business behind it."""
    shop = await house.tenant(name="Paper shop")
    async with house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", shop.id)
        for number, (day, amount, currency, status, back, why) in enumerate(BOOKS):
            at = JANUARY + timedelta(days=day, hours=11)
            await db.execute(PLACED, shop.id, f"{number}", amount, currency, status, at, back, why)
        await db.execute(PAID, shop.id)
        await db.execute(SHELVED, shop.id, JANUARY)
    yield shop
    await uproot(house, shop, "payment_events", "inbox", "payments")


@pytest.fixture
async def anna(house: House, shop: Tenant) -> AsyncIterator[Person]:
    async with Person.arriving(house) as anna:
        await anna.sign_in(shop)
        yield anna


async def overview(anna: Person, **query: str) -> Read:
    answer = await anna.http.get("/console", params=query)
    assert answer.status_code == 200, answer.text
    return Read(answer.text)


def columns(page: Read, chart: str) -> dict[str, list[Decimal]]:
    """What a chart's columns say, as its script reads them; gaps are left out."""
    elements = iter(page.elements)
    next(each for each in elements if (each.tag, each.attributes.get("aria-labelledby")) == ("figure", chart))
    heads: list[str] = []
    found: list[list[Decimal]] = []
    for each in elements:
        if each.tag == "figure":
            break
        if (each.tag, each.attributes.get("scope")) == ("th", "col"):
            heads.append(each.text)
            found.append([])
        elif each.tag == "tr":
            place = 0
        elif each.tag == "td":
            place += 1
            if value := each.attributes.get("data-value"):
                found[place].append(Decimal(value))
    return dict(zip(heads, found, strict=True))


def charts(page: Read) -> list[str]:
    return [each.attributes["aria-labelledby"] or "" for each in page.all("figure")]


def matters(page: Read) -> dict[str, str]:
    """What waits, and where the way to it leads."""
    links = [each for each in page.all("a") if (each.attributes["href"] or "").startswith("/console/")]
    return {each.text: each.attributes["href"] or "" for each in links if ": " in each.text}


# --- A tenant's -----------------------------------------------------------------------------------


async def test_every_day_together_is_what_the_api_says_of_the_month(anna: Person, shop: Tenant) -> None:
    told = (await shop.call("GET", "/v1/reports/summary", params=MONTH)).json()
    page = await overview(anna, **SPAN)
    assert charts(page) == ["volume_EUR", "volume_HUF", "success", "time_to_pay"]
    for volume in told["volume"]:
        currency = volume["currency"]
        found, unit = columns(page, f"volume_{currency}"), 10 ** exponent(currency)
        assert len(found["Net"]) == 31
        sums = {name: sum(values) for name, values in found.items()}
        assert sums["Payments paid"] == volume["succeeded"]["count"]
        assert sums["Paid"] * unit == volume["succeeded"]["amount"]
        assert sums["Refunded"] * unit == volume["refunded"]["amount"]
        assert sums["Disputed"] * unit == volume["disputed"]["amount"]
        assert sums["Net"] * unit == volume["net"]
    rate = columns(page, "success")
    assert sum(rate["Ended"]) == told["successRate"]["ended"]
    assert sum(rate["Payments paid"]) == told["successRate"]["succeeded"]
    assert sum(columns(page, "time_to_pay")["Payments paid"]) == told["timeToPay"]["payments"]


async def test_totals_and_reasons_are_those_of_the_api_in_words(anna: Person, shop: Tenant) -> None:
    told = (await shop.call("GET", "/v1/reports/summary", params=MONTH)).json()
    page = await overview(anna, **SPAN)
    figures = [each.text for each in page.all("dd")]
    assert told["successRate"]["basisPoints"] == 7_619
    assert (told["timeToPay"]["medianSeconds"], told["failuresByReason"]["card_declined"]) == (75, 3)
    for said in ("76.19%", "1 min 15 s", "Ended: 21"):
        assert said.replace(" min", "\u00a0min").replace(" s", "\u00a0s") in figures, said
    assert "card_declined375%" in [each.text for each in page.all("tr")]
    assert "HUF\u00a01,101.65" in figures  # what is left of what was paid


async def test_an_ordinary_visit_shows_the_last_thirty_days_and_says_when_there_was_nothing(
    anna: Person,
) -> None:
    page = await overview(anna)
    assert charts(page) == []
    assert "no payments on these days" in page.text
    (present,) = [
        each for each in page.all("a") if each.attributes.get("aria-current") and "days" in each.text
    ]
    assert present.text == "30 days"


async def test_what_waits_for_somebody_is_named_with_the_way_to_it(anna: Person) -> None:
    assert matters(await overview(anna, lang="hu")) == {
        "Fizetések, amelyeknél nem a megrendelt összeg érkezett: 1": (
            "/console/payments?status=REVIEW&lang=hu"
        ),
        "Események, amelyek nem tudtak érvényre jutni: 1": "/console/inbox?lang=hu",
    }


async def test_days_are_those_of_the_tenants_zone(anna: Person, shop: Tenant) -> None:
    await shop.call("PATCH", "/v1/tenants/me/settings", json={"billingZone": "Pacific/Auckland"})
    page = await overview(anna, **SPAN)
    assert "Pacific/Auckland" in page.text
    # Eleven in the morning UTC is midnight there: what was sold on the 31st was sold in February.
    assert page.all("time")[2].attributes["datetime"] == "2025-12-31T11:00:00Z"
    (row,) = [each for each in page.all("tr") if "Jan 2, 2026" in each.text and "HUF" in each.text]
    assert "HUF\u00a0100" in row.text
    await shop.call("PATCH", "/v1/tenants/me/settings", json={"billingZone": "UTC"})


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"to": "0001-01-01"},
        {"from": "2026-02-01", "to": "2026-01-01"},
        {"from": "2024-01-01", "to": "2026-01-01"},
    ],
)
async def test_days_that_cannot_be_are_refused_in_words(anna: Person, query: dict[str, str]) -> None:
    before = {"Referer": f"{anna.house.ready['apiUrl']}/console?days=7"}
    answer = await anna.http.get("/console", params=query | {"lang": "hu"}, headers=before)
    page = Read(answer.text)
    assert (answer.status_code, page.one("h1").text) == (422, "Néhány mező értéke nem fogadható el")
    assert page.links() == ["/console?days=7"]


async def test_a_tenant_of_a_minute_ago_is_shown_how_to_begin(house: House, anna: Person) -> None:
    fresh = await house.tenant()
    await anna.sign_in(fresh)
    page = await overview(anna)
    assert "Welcome" in page.text
    assert charts(page) == []
    assert "Paper shop" not in page.text
    assert "/docs/getting-started" in {each.attributes["href"] for each in page.all("a")}


# --- The operator's -------------------------------------------------------------------------------


async def test_the_operator_sees_how_many_there_are_and_no_tenants_money(house: House, shop: Tenant) -> None:
    async with Person.arriving(house) as olga:
        await olga.sign_in_as_operator()
        page = await overview(olga)
    states = {each.text: each.attributes["href"] for each in page.all("a")}
    assert states["REVIEW"] == "/console/payments?status=REVIEW"
    review = [each for each in page.all("tr") if "payment under review" in each.text]
    assert any(shop.id in each.text for each in review)
    assert not charts(page)
    assert "HUF" not in page.text
    assert "€" not in page.text


# --- The frame ------------------------------------------------------------------------------------


async def test_only_words_of_ours_say_what_was_done(anna: Person) -> None:
    def said(page: Read) -> list[str]:
        return [each.text for each in page.all("p") if each.attributes.get("role") == "status"]

    assert said(await anna.sees("/console/you?done=ended")) != []
    for forged in ("nothing", "%3Cscript%3E", "", "skip", "../ended"):
        assert said(await anna.sees(f"/console/you?done={forged}")) == []


async def test_the_way_to_the_present_page_is_marked_and_its_title_says_which_it_is(anna: Person) -> None:
    for path, title in (("/console", "Overview"), ("/console/you", "You are signed in")):
        page = await anna.sees(path)
        (present,) = [each for each in page.all("a") if each.attributes.get("aria-current") == "page"][:1]
        assert present.attributes["href"] == path
        assert (page.one("title").text, page.one("h1").text) == (f"{title} · Paper shop", title)


async def test_the_other_language_keeps_what_was_asked_for(anna: Person) -> None:
    page = await overview(anna, **SPAN)
    (other,) = [each for each in page.all("a") if each.text == "Magyarul"]
    assert other.attributes["href"] == "/console?from=2026-01-01&to=2026-01-31&lang=hu"
