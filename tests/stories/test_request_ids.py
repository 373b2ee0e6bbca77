"""The id of a request is found again wherever it led to."""

import json

from tests.house import House, Json, Tenant, eventually

ASKED = "req-of-the-order"


def lines(house: House, payment_id: str) -> list[Json]:
    """What the worker said about a payment."""
    written = (house.data_dir / "logs" / "worker.log").read_text().splitlines()
    return [json.loads(line) for line in written if payment_id in line and line.startswith("{")]


async def test_a_step_says_which_request_it_goes_back_to(tenant: Tenant) -> None:
    await tenant.fault("checkout.pay", "answer", "wrongAmount")
    answer = await tenant.call(
        "POST",
        "/v1/payments",
        json={"userId": "user-123", "amount": 1990000, "currency": "HUF"},
        headers={"Idempotency-Key": "one", "X-Request-Id": ASKED},
    )
    assert answer.headers["X-Request-Id"] == ASKED
    payment = await tenant.eventually(answer.json(), "PROVIDER_PENDING")
    await tenant.pay(payment)
    await tenant.eventually(payment, "REVIEW")

    async def said() -> list[Json] | None:
        return [line for line in lines(tenant.house, payment["id"]) if line["event"] == "alert"] or None

    (alarm,) = await eventually(said)
    assert (alarm["request_id"], alarm["activity"]) == (ASKED, "settle")
    recorded = await tenant.call("GET", "/v1/audit", params={"correlationId": ASKED})
    assert {"payment.created", "payment.review"} <= {each["action"] for each in recorded.json()["data"]}
