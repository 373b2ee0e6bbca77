"""What users may do: looked up where it matters, and used up."""

from paysaga_client._async.session import AsyncSession
from paysaga_client.keys import key_for
from paysaga_client.models.base import Page
from paysaga_client.models.rights import Check, Entitlement, Usage
from paysaga_client.wire import Call, members


class AsyncEntitlements:
    """Without a ``user_id`` the tenant itself is meant."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list(self, user_id: str | None = None) -> tuple[Entitlement, ...]:
        """All that was ever granted to this user, newest first, with what is active now."""
        call = Call("GET", "/v1/entitlements", {"user_id": user_id})
        return (await self._session.ask(call, Page[Entitlement])).data

    async def check(self, feature: str, user_id: str | None = None) -> Check:
        """Whether this user may use this feature now: the question of every critical action."""
        call = Call("GET", "/v1/entitlements/check", {"user_id": user_id, "feature": feature})
        return await self._session.ask(call, Check)

    async def use(
        self,
        feature: str,
        user_id: str | None = None,
        *,
        quantity: int = 1,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> Usage:
        """Take so much, all or nothing. Raises ``LimitExceeded``, whose ``remaining`` says how much there is.

        With your ``reference`` (a job's id, say) it is taken once, however often it is asked for. Without one
        each call takes again.
        """
        about = f"{user_id or ''}\n{feature}"
        call = Call(
            "POST",
            "/v1/entitlements/usage",
            body=members(user_id=user_id, feature=feature, quantity=quantity),
            key=key_for("usage", key=idempotency_key, reference=reference, about=about),
        )
        return await self._session.ask(call, Usage)
