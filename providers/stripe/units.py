"""How Stripe counts money, what it takes and how little; docs.stripe.com/currencies, read in October 2026."""

from typing import Final

from domain.money import CURRENCIES, exponent
from providers.units import Units

# Nobody can be charged in these. Of the others each country's accounts take most; Stripe refuses the rest.
_NOT_TAKEN: Final = frozenset(
    {"BTN", "CUP", "ERN", "IQD", "IRR", "KPW", "LYD", "SDG", "SSP", "SYP", "TMT", "VED", "VES", "ZWG"}
)

# Whole units to Stripe, though ISO gives them hundredths.
_WHOLE: Final = {"MGA": 0}
# Whole units to ISO and to the payer; Stripe still wants the hundredths it once had, as zeros.
_FORMERLY_OF_HUNDREDTHS: Final = {"ISK": 2, "UGX": 2}

# By the account's settlement currency. We know the payment's only: Stripe refuses the rest itself.
_LEAST: Final = {
    "AED": 200,
    "ARS": 50,
    "AUD": 50,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "COP": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "IDR": 50,
    "ILS": 50,
    "INR": 50,
    "JPY": 50,
    "KRW": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PHP": 50,
    "PLN": 200,
    "RON": 200,
    "RUB": 50,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
    "ZAR": 50,
}

TAKEN: Final = CURRENCIES - _NOT_TAKEN

UNITS: Final = Units(
    currencies=TAKEN,
    decimals=_WHOLE | _FORMERLY_OF_HUNDREDTHS,
    least=_LEAST,
    # The last of three decimals must be a zero: the card networks know two.
    step={currency: 10 for currency in TAKEN if exponent(currency) == 3},
)
