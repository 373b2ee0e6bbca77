"""What is sold through Dodo Payments' face. Nothing is kept of a product: its name tells all."""

import re
from calendar import monthrange
from datetime import datetime, timedelta
from typing import Final, NamedTuple

LEAST: Final = {"EUR": 50, "GBP": 30, "HUF": 17_500, "USD": 50}
"""The smallest payments, of those that are best known."""
_PLAN: Final = re.compile(r".*_([0-9]{1,9})_([A-Z]{3})_(day|week|month|year)")


class Plan(NamedTuple):
    """A product that is subscribed to."""

    identity: str
    amount: int
    currency: str
    interval: str

    def over(self, begun: datetime, periods: int) -> datetime:
        """Say when so many periods are over. Where a month has no such day, its last one is meant."""
        if self.interval in {"day", "week"}:
            return begun + timedelta(days=periods * (7 if self.interval == "week" else 1))
        months = begun.month - 1 + periods * (12 if self.interval == "year" else 1)
        year, month = begun.year + months // 12, months % 12 + 1
        return begun.replace(year=year, month=month, day=min(begun.day, monthrange(year, month)[1]))


def plan(product: str) -> Plan | None:
    """Read a plan off its name, ``pdt_pro_1990000_HUF_month``; None for what is sold once."""
    match = _PLAN.fullmatch(product)
    return None if match is None else Plan(product, int(match[1]), match[2], match[3])
