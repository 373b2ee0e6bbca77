"""Puts the pages beside the HTTP API, in one application."""

from fastapi import FastAPI

from console import deeds, door, dossiers, embed, home, lists, overview, pages, pay, pricing
from console.workplaces import accounts, approvals, books, choices, endpoints, keys, letters, tenants, trail


def install(app: FastAPI) -> None:
    """Add every page's routes; none of them is part of the API's schema."""
    for part in (pages, pay, embed, pricing):
        app.include_router(part.router)
    app.include_router(door.entrance)
    app.include_router(door.exits)
    for workplace in (approvals, endpoints, letters, books, accounts, keys, choices, trail, tenants):
        app.include_router(workplace.router)
    # The last of them answers for whatever is not there.
    for part in (overview, lists, dossiers, deeds, home):
        app.include_router(part.router)
