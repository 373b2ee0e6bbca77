"""The customers: what each kind of payer does with a checkout."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from tests.chaos.plan import Order, Payer
from tests.chaos.shops import Shop
from tests.house import CARD, DECLINED, Json

_BANK: Final = "9000000000000001"


@dataclass(frozen=True)
class Company:
    """The payment company, as its visitors see it: a page per checkout, and a back door."""

    http: httpx.AsyncClient
    control_url: str

    async def visit(self, payment: Json, card: str = CARD, action: str = "pay") -> None:
        """Press the button until the page says something, be it that this is too late."""
        form = {"cardNumber": card, "action": action}
        while True:
            try:
                answer = await self.http.post(payment["checkoutUrl"], data=form)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
            else:
                assert answer.status_code in {200, 303, 409}, answer.text
                return

    async def will(self, payment: Json, operation: str, when: str, fault: str, count: int = 1) -> None:
        """Have it misbehave about this payment."""
        rule = {"operation": operation, "when": when, "fault": fault, "count": count}
        answer = await self.http.post(
            f"{self.control_url}/_control/faults", json=rule | {"reference": payment["id"]}
        )
        assert answer.status_code == 201, answer.text


@dataclass(frozen=True)
class Sale:
    """What a payer can touch."""

    order: Order
    payment: Json
    shop: Shop
    company: Company

    async def act(self) -> None:
        if self.order.webhooks is not None:
            await self.company.will(self.payment, "webhook.send", "webhook", self.order.webhooks)
        await _ACTS[self.order.payer](self)

    async def think(self) -> None:
        await asyncio.sleep(self.order.thinks_for)

    async def pay(self, card: str = CARD) -> None:
        await self.company.visit(self.payment, card)

    async def cancel(self) -> None:
        await self.shop.cancel(self.payment)


async def _pays(sale: Sale) -> None:
    await sale.think()
    await sale.pay()


async def _is_declined_first(sale: Sale) -> None:
    await sale.pay(DECLINED)
    await sale.think()
    await sale.pay()


async def _pays_by_bank(sale: Sale) -> None:
    await sale.think()
    await sale.pay(_BANK)


async def _gives_up(sale: Sale) -> None:
    await sale.think()
    await sale.company.visit(sale.payment, action="close")


async def _stays_away(_: Sale) -> None:
    pass


async def _is_cancelled(sale: Sale) -> None:
    await sale.think()
    await sale.cancel()


async def _races_cancel(sale: Sale) -> None:
    await asyncio.gather(sale.cancel(), _pays(sale))


async def _has_two_browsers(sale: Sale) -> None:
    await sale.think()
    await asyncio.gather(sale.pay(), sale.pay())


async def _pays_at_the_edge(sale: Sale) -> None:
    left = datetime.fromisoformat(sale.payment["expiresAt"]).timestamp() - time.time()
    await asyncio.sleep(left + sale.order.thinks_for)
    await sale.pay()


async def _pays_late(sale: Sale) -> None:
    # The company says that it has closed the checkout, and leaves it open.
    await sale.company.will(sale.payment, "checkout.close", "before", "lost", count=5)
    await sale.cancel()
    await sale.think()
    await sale.pay()


async def _pays_wrongly(sale: Sale) -> None:
    await sale.company.will(sale.payment, "checkout.pay", "before", "wrongAmount")
    await _pays(sale)


_ACTS: Final[Mapping[Payer, Callable[[Sale], Awaitable[None]]]] = {
    Payer.PAYS: _pays,
    Payer.IS_DECLINED_FIRST: _is_declined_first,
    Payer.PAYS_BY_BANK: _pays_by_bank,
    Payer.GIVES_UP: _gives_up,
    Payer.STAYS_AWAY: _stays_away,
    Payer.IS_CANCELLED: _is_cancelled,
    Payer.RACES_CANCEL: _races_cancel,
    Payer.HAS_TWO_BROWSERS: _has_two_browsers,
    Payer.PAYS_AT_THE_EDGE: _pays_at_the_edge,
    Payer.PAYS_LATE: _pays_late,
    Payer.PAYS_WRONGLY: _pays_wrongly,
}
