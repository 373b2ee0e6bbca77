"""Puts the pages beside the HTTP API, in one application."""

from fastapi import FastAPI

from console import pages, pay


def install(app: FastAPI) -> None:
    """Add every page's routes; none of them is part of the API's schema."""
    for part in (pages, pay):
        app.include_router(part.router)
