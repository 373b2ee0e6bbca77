"""Puts the pages beside the HTTP API, in one application."""

from fastapi import FastAPI

from console import embed, pages, pay, pricing


def install(app: FastAPI) -> None:
    """Add every page's routes; none of them is part of the API's schema."""
    for part in (pages, pay, embed, pricing):
        app.include_router(part.router)
