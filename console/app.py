"""Puts the pages beside the HTTP API, in one application."""

from fastapi import FastAPI

from console import door, embed, home, pages, pay, pricing
from console.workplaces import approvals, endpoints


def install(app: FastAPI) -> None:
    """Add every page's routes; none of them is part of the API's schema."""
    for part in (pages, pay, embed, pricing):
        app.include_router(part.router)
    for router in (door.entrance, door.exits):
        app.include_router(router)
    for workplace in (approvals, endpoints):
        app.include_router(workplace.router)
    app.include_router(home.router)
