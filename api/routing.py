"""Finds the accounts that can take a new payment, before anything is written down or sent."""

from domain.errors import Refusal, TenantSuspended, ValidationFailed
from domain.money import Money
from domain.routing import route
from domain.tenant import ProviderAccount
from domain.values import Value
from providers.base import PROVIDERS
from storage.tenants import Terms

_NOWHERE = "there is no account at this provider"


class Wish(Value):
    """What a tenant wants of a provider, as far as that decides who can take it."""

    money: Money
    provider: str | None


def takers(terms: Terms, wish: Wish) -> list[ProviderAccount]:
    """Accounts that can take this payment, the first choice first; at least one.

    Raises ``TenantSuspended``, ``ValidationFailed`` where there is no account, and else what stands in the
    way of the first choice.
    """
    if terms.suspended:
        raise TenantSuspended
    accounts = {account.provider: account for account in terms.accounts}
    names = route(terms.settings, tuple(accounts), wish.money, wish.provider)
    if not names:
        raise ValidationFailed(errors=(("/provider", _NOWHERE),))
    obstacles = {name: obstacle(name, wish) for name in names}
    able = [accounts[name] for name, stands_in_the_way in obstacles.items() if stands_in_the_way is None]
    first = obstacles[names[0]]
    if first is not None and not able:
        raise first
    return able


def obstacle(name: str, wish: Wish) -> Refusal | None:
    """Why this provider cannot take the payment, as it would tell us itself; None when it can."""
    if name not in PROVIDERS:
        # Its account is older than this installation's choice of adapters.
        return ValidationFailed(errors=(("/provider", _NOWHERE),))
    try:
        PROVIDERS[name].units.check(wish.money)
    except ValidationFailed as refusal:
        return refusal
    return None
