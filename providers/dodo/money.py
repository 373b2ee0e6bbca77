"""How Dodo counts money: in ISO's minor units, and a dispute's as a string of them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from domain.errors import ProviderRejected, ValidationFailed
from domain.money import CURRENCIES, Money, exponent
from providers.units import Units

# What its API's list of currencies lacks; the tests hold this to the SDK's.
_NOT_TAKEN: Final = {
    *("AFN", "BTN", "CDF", "ERN", "IRR", "ISK", "KPW", "SDG", "SYP", "TJS", "TMT", "VED", "XCG", "ZWG"),
}
# The smallest payments in major units, after Dodo's page on adaptive currency; USD after its error codes.
_LEAST: Final = (
    "AED 2, ALL 50, AMD 500, ARS 1000, AUD 0.50, AWG 2, AZN 2, BAM 2, BDT 100, BMD 1, BND 1, BOB 5, BRL "
    "0.50, BSD 1, BWP 15, BZD 2, CAD 0.50, CHF 0.50, CLP 1000, CNY 4, CRC 500, CZK 15, DKK 2.50, DOP 100, "
    "EGP 50, ETB 100, EUR 0.50, FJD 2, GBP 0.30, GEL 3, GMD 100, GTQ 10, GYD 200, HKD 4, HNL 25, HUF 175, "
    "IDR 8500, ILS 3, INR 5, JPY 50, KRW 50, KZT 500, LKR 300, LRD 200, LSL 20, MAD 10, MKD 50, MOP 10, "
    "MUR 50, MVR 15, MWK 2000, MXN 10, MYR 4, NGN 2000, NOK 3, NPR 150, NZD 1, PEN 3, PGK 4, PHP 50, PLN "
    "2, PYG 4000, QAR 3, RON 2, RSD 60, SAR 2, SBD 10, SCR 15, SEK 3, SGD 0.50, SZL 20, THB 25, TOP 2, "
    "TRY 20, TWD 20, TZS 3000, USD 0.50, UYU 50, VND 12000, WST 2, XAF 300, XOF 300, ZAR 20, ZMW 30"
)


def _least() -> Mapping[str, int]:
    pairs = (each.split() for each in _LEAST.split(","))
    return {code: int(Decimal(major) * 10 ** exponent(code)) for code, major in pairs}


UNITS: Final = Units(currencies=CURRENCIES - _NOT_TAKEN, least=_least())


def counted(money: Money) -> int:
    """As Dodo counts it. Raises ``ProviderRejected`` for what it does not take."""
    try:
        return UNITS.of(money)
    except ValidationFailed as refused:
        raise ProviderRejected("dodo takes no money of this kind") from refused


def money(units: object, currency: str) -> Money:
    """What an amount means. Raises ``ValueError`` for what is not clear."""
    if type(units) is not int:
        raise ValueError("an amount is a whole number")
    return UNITS.money(units, currency)


def disputed(amount: object, currency: str) -> Money:
    """The same for a dispute. What has a decimal point might be of major units: it is not clear."""
    written = isinstance(amount, str) and re.fullmatch("[0-9]{1,18}", amount)
    return money(int(written[0]) if written else amount, currency)
