"""The accounts of the books. Debits are positive; every transaction sums to zero in each currency."""

from enum import StrEnum

from domain.values import Value


class Account(StrEnum):
    PROVIDER_RECEIVABLE = "provider_receivable"
    """What providers owe the tenant: captured, less what went back, is held, lost or charged."""
    TENANT_REVENUE = "tenant_revenue"
    REFUNDS = "refunds"
    """What was earned and given back."""
    DISPUTE_HOLDS = "dispute_holds"
    """What banks hold while a dispute runs."""
    LOSSES = "losses"
    """What disputes have cost."""
    FEES = "fees"
    SUSPENSE = "suspense"
    """Money that is here and not ours to keep, so far: late, or other than was ordered."""


class Balance(Value):
    """What one account holds in one currency."""

    account: Account
    currency: str
    balance: int
