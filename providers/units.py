"""How a company counts money: our ISO 4217 minor units on one side, its own whole numbers on the other.

Refused before anything is sent: a currency it does not take, less than it takes, and what it cannot express.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.errors import AmountOutOfRange, CurrencyUnsupported
from domain.money import CURRENCIES, Money, exponent


@dataclass(frozen=True)
class Units:
    """``decimals`` only where the company's differ from ISO's; ``least`` and ``step`` in our minor units."""

    currencies: frozenset[str] = CURRENCIES
    decimals: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    """The smallest amount of a payment."""
    step: Mapping[str, int] = field(default_factory=dict)
    """What every amount must be a multiple of."""

    def check(self, money: Money) -> None:
        """Raises ``CurrencyUnsupported`` or ``AmountOutOfRange`` when it cannot take a payment of this."""
        self.of(money)
        least = self.least.get(money.currency, 1)
        if money.amount_minor < least:
            raise AmountOutOfRange(errors=(("/amount", f"the provider takes {least} minor units or more"),))

    def of(self, money: Money) -> int:
        """The amount as the company counts it. Raises the same for what it cannot express."""
        if money.currency not in self.currencies:
            raise CurrencyUnsupported(errors=(("/currency", "the provider does not take this currency"),))
        step = max(self.step.get(money.currency, 1), int(10 ** max(-self._more(money.currency), 0)))
        if money.amount_minor % step:
            raise AmountOutOfRange(errors=(("/amount", f"the provider takes multiples of {step}"),))
        more = self._more(money.currency)
        return money.amount_minor * int(10 ** max(more, 0)) // int(10 ** max(-more, 0))

    def money(self, units: int, currency: str) -> Money:
        """What the company's number means. Raises ``ValueError`` for what our minor units cannot hold."""
        code = currency.upper()
        if code not in CURRENCIES:
            raise ValueError("this is not a currency we know")
        more = self._more(code)
        whole, rest = divmod(units, 10 ** max(more, 0))
        if rest:
            raise ValueError("this is a fraction of a minor unit")
        return Money(amount_minor=whole * int(10 ** max(-more, 0)), currency=code)

    def _more(self, currency: str) -> int:
        """How many decimals more than ISO's the company counts; negative for fewer."""
        return self.decimals.get(currency, exponent(currency)) - exponent(currency)


ISO: Final = Units()
