"""What is known of a payment, signed, for whoever has to be convinced of it."""

from typing import Any

from fastapi import APIRouter

from api.deps import AnyCaller, TheHouse
from api.strict import Answer, StrictRoute
from storage import proofs

router = APIRouter(prefix="/v1/payments", tags=["payments"], route_class=StrictRoute)


class ProofAnswer(Answer):
    """Signed are the canonical bytes of all members but ``signature``: docs/operations/audit.md."""

    type: str
    key_id: str
    public_keys: list[str]
    facts: dict[str, Any]
    signature: str


@router.get("/{payment_id}/proof")
async def prove_payment(payment_id: str, who: AnyCaller, here: TheHouse) -> ProofAnswer:
    """All that is known of a payment as one signed bundle, to be verified anywhere.

    Records of the last seconds are listed as pending; a bundle made later proves them, too.
    """
    async with here.world.database.tenant(who.tenant_id, frozen=True) as tx:
        facts = await proofs.bundle(tx, payment_id, here.world.clock())
    return ProofAnswer.model_validate(proofs.signed(here.world.notary, facts), by_alias=True)
