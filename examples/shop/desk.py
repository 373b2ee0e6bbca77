"""What all pages of the shop share: how they look, and who is looking."""

import os
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Cookie, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from books import Books
from paysaga_client import AsyncPaysaga

HERE: Final = Path(__file__).parent
ROOM: Final = "members-room"
"""The feature that is sold here, by the name we gave it."""


class Shop:
    """Filled in when the shop opens. ``url`` is where payers' browsers and the platform reach it."""

    api = os.environ.get("PAYSAGA_API_URL", "http://127.0.0.1:8000")
    url = os.environ.get("SHOP_URL", "http://127.0.0.1:9000")
    paysaga: AsyncPaysaga
    books: Books
    secret: str
    """Made by the platform for our webhook endpoint."""
    tenant_id: str


shop = Shop()
templates: Final = Jinja2Templates(HERE / "templates")


def page(request: Request, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
    """Only the pricing component comes from elsewhere: from the platform."""
    # No form-action here: browsers would apply it to the redirect to the checkout, too.
    policy = (
        f"default-src 'self'; script-src {shop.api}; connect-src 'self' {shop.api}; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": f"{policy}; img-src data:; base-uri 'none'",
        "Cache-Control": "no-store",
    }
    return templates.TemplateResponse(request, template, facts, status_code=status, headers=headers)


def go(where: str) -> RedirectResponse:
    return RedirectResponse(where, status_code=303)


def signed_in(visitor: Annotated[str, Cookie()] = "") -> str:
    user = shop.books.who_is(visitor)
    if user is None:
        raise HTTPException(303, headers={"Location": "/"})
    return user


User = Annotated[str, Depends(signed_in)]
