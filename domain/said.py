"""All that a provider can say to us, of whatever: one union, so that it can be stored and read again."""

from typing import Annotated

from pydantic import Discriminator, Tag

from domain.dispute import DisputeObservation
from domain.evidence import Observation
from domain.refund import RefundObservation


def _kind(said: object) -> str:
    # What was stored before there was more than one kind does not name its own.
    found = said.get("kind", "checkout") if isinstance(said, dict) else getattr(said, "kind", "")
    return str(found)


Said = Annotated[
    Annotated[Observation, Tag("checkout")]
    | Annotated[RefundObservation, Tag("refund")]
    | Annotated[DisputeObservation, Tag("dispute")],
    Discriminator(_kind),
]
