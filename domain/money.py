"""Amounts: integers of the currency's smallest unit, never a fraction, never a float."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from domain.errors import AmountOutOfRange, CurrencyUnsupported


def _codes(table: str) -> frozenset[str]:
    return frozenset(table.split())


# ISO 4217, list one, as of 2026, without funds, metals, units of account and test codes. Bulgaria has used
# the euro since 2026-01-01 (BGN), Croatia since 2023 (HRK); XCG replaced ANG (2025), ZWG replaced ZWL (2024).
_TWO_DECIMALS = _codes("""
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP
    CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
    MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE
    SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR
    ZMW ZWG
""")
_NO_DECIMALS = _codes("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF")
_THREE_DECIMALS = _codes("BHD IQD JOD KWD LYD OMR TND")

_EXPONENTS = (
    dict.fromkeys(_TWO_DECIMALS, 2) | dict.fromkeys(_NO_DECIMALS, 0) | dict.fromkeys(_THREE_DECIMALS, 3)
)
CURRENCIES = frozenset(_EXPONENTS)

# What one payment may be, in minor units, both ends included.
_RANGES = {"HUF": (100, 1_000_000_000), "EUR": (50, 100_000_000), "USD": (50, 100_000_000)}
_USUAL_RANGE = (1, 100_000_000)
LARGEST = max(most for _, most in (*_RANGES.values(), _USUAL_RANGE))

# What a caller may write. What is none is refused as such (``exponent``), what is no code at all as misspelt.
CurrencyCode = Annotated[str, Field(pattern="^[A-Z]{3}$", json_schema_extra={"enum": sorted(CURRENCIES)})]
# Its own currency may allow less (``check_amount``).
PayableAmount = Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": LARGEST})]


class Money(BaseModel):
    """``amount_minor`` smallest units of ``currency`` (ISO 4217), of any sign."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    amount_minor: int
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]

    def __str__(self) -> str:
        """Write the major unit with the currency's own decimals, like ``19900.00 HUF``."""
        decimals = exponent(self.currency)
        sign = "-" if self.amount_minor < 0 else ""
        digits = str(abs(self.amount_minor)).rjust(decimals + 1, "0")
        split = len(digits) - decimals
        point = "." if decimals else ""
        return f"{sign}{digits[:split]}{point}{digits[split:]} {self.currency}"


def exponent(currency: str) -> int:
    """Count the decimals between the minor and the major unit; CurrencyUnsupported for an unknown code."""
    if currency not in CURRENCIES:
        raise CurrencyUnsupported(errors=(("/currency", "this is not a currency we know"),))
    return _EXPONENTS[currency]


def check_amount(money: Money) -> None:
    """Raise CurrencyUnsupported, or AmountOutOfRange when a payment may not be of this size (contract, 2)."""
    exponent(money.currency)  # knows the currency, or refuses it
    least, most = _RANGES.get(money.currency, _USUAL_RANGE)
    if not least <= money.amount_minor <= most:
        raise AmountOutOfRange(errors=(("/amount", f"{least} to {most} minor units are accepted"),))
