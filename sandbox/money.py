"""Currencies, their exponents, the smallest amounts taken. Amounts are integers in ISO 4217 minor units."""

from decimal import Decimal

from babel.core import get_global
from babel.numbers import format_currency, get_currency_symbol

from sandbox.errors import invalid

# ISO 4217, not CLDR: the two differ (CLDR shows no fillér, ISO counts them).
_WITHOUT_DECIMALS = {
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
}
_THREE_DECIMALS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
_EXPONENTS = {
    **dict.fromkeys(_WITHOUT_DECIMALS, 0),
    **dict.fromkeys(_THREE_DECIMALS, 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_MINIMUMS = {"HUF": 100, "EUR": 50, "USD": 50}
CURRENCIES = frozenset(
    code
    for uses in get_global("territory_currencies").values()
    for code, _since, until, tender in uses
    if tender and until is None
) | {"SVC", "VED"}  # ISO 4217 counts them as in use, CLDR does not


def exponent(currency: str) -> int:
    """Say how many decimal digits the minor unit has."""
    return _EXPONENTS.get(currency, 2)


def check(amount: int, currency: str) -> None:
    """Refuse a currency that is not in use and an amount below its minimum."""
    if currency not in CURRENCIES:
        raise invalid(f"the currency {currency} is not supported", "currency_unsupported")
    minimum = _MINIMUMS.get(currency, 1)
    if amount < minimum:
        raise invalid(f"the smallest amount in {currency} is {minimum}", "amount_too_small")


def wrong_amount(amount: int) -> int:
    """Give an amount that is not the one asked for."""
    return amount + 100


def wrong_currency(currency: str) -> str:
    """Give a currency that is not the one asked for."""
    return "USD" if currency == "EUR" else "EUR"


def shown(amount: int, currency: str, locale: str) -> str:
    """Write an amount for people; whole forints stay whole."""
    digits = exponent(currency)
    value = Decimal(amount).scaleb(-digits)
    whole = currency == "HUF" and value == value.to_integral_value()
    number = "#,##0" if whole or digits == 0 else "#,##0." + "0" * digits
    if locale == "hu":
        pattern = f"{number}\u00a0¤"
    else:  # a sign stands close to its number (€5), a code does not (HUF 5)
        pattern = f"¤\u00a0{number}" if get_currency_symbol(currency, locale)[-1].isalpha() else f"¤{number}"
    return format_currency(value, currency, pattern, locale=locale, currency_digits=False)
