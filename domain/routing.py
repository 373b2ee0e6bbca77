"""Which providers a new payment may go to, and in which order. Pure: settings and names in, names out."""

from collections.abc import Sequence

from domain.money import Money
from domain.tenant import TenantSettings


def route(
    settings: TenantSettings, accounts: Sequence[str], money: Money, named: str | None = None
) -> tuple[str, ...]:
    """Where a payment goes, and where to turn when that one has definitely made no checkout, and so on.

    ``accounts`` are the providers where the tenant has an account that takes payments, the oldest first; no
    other is in the answer, and none twice. A payment that names its provider means that one alone. The first
    rule that covers it decides alone, too: when none of its providers has an account, nobody else steps in.
    """
    if named is not None:
        wanted: Sequence[str] = [named]
    else:
        rule = next((rule for rule in settings.routing_rules if rule.covers(money)), None)
        # Who never chose any gets the oldest account.
        wanted = rule.providers if rule else _usual(settings) or accounts[:1]
    return tuple(name for name in dict.fromkeys(wanted) if name in accounts)


def _usual(settings: TenantSettings) -> list[str]:
    chosen = [settings.default_provider, *settings.provider_order]
    return [name for name in chosen if name is not None]
