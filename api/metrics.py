"""Figures for Prometheus, in its text format: how the platform stands, and nothing of any one tenant."""

from collections.abc import Iterator, Mapping
from typing import Final

from fastapi import APIRouter, Response

from api.deps import TheHouse
from domain.health import Health
from providers.base import PROVIDERS
from storage import health

router = APIRouter(tags=["health"])

# Version 0.0.4 of the text format, which every Prometheus reads.
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(here: TheHouse) -> Response:
    """Counted over all tenants, so that the page needs no credentials and gives nobody away."""
    async with here.world.database.system() as tx:
        accounts = await health.census(tx, here.world.clock())
    named = {*PROVIDERS, *(provider for provider, _ in accounts)}
    text = gauge(
        "billing_provider_accounts",
        "Provider accounts that take new payments, by how they can be used.",
        {
            (("provider", provider), ("state", state)): accounts.get((provider, state), 0)
            for provider in sorted(named)
            for state in Health
        },
    )
    return Response(text, media_type=MEDIA_TYPE)


def gauge(name: str, about: str, samples: Mapping[Labels, float]) -> str:
    """One metric with its samples. Label values are escaped as the format wants it."""
    return "\n".join(_lines(name, about, samples)) + "\n"


def _lines(name: str, about: str, samples: Mapping[Labels, float]) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples.items():
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        yield f"{name}{{{inside}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
