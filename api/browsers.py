"""People who signed in with a browser: a cookie names a session in PostgreSQL, and only its digest is kept.

The cookie alone shows who is asking and not from whose page, so what changes something asks for more: the
console for a form of its own (``console.door``), any other route for the origins that it means. Nothing below
``/v1`` reads the cookie.
"""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final

import structlog
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.deps import Exchange, House, TheHouse, actor
from domain.errors import Unauthorized
from domain.session import LONGEST, PLATFORM, Session
from domain.tenant import Caller
from domain.values import new_id
from storage import audit, console_sessions, tenants
from storage.console_sessions import Kept

_log = structlog.get_logger(__name__)

_COOKIE: Final = "paysaga_session"
_WRITTEN: Final = re.compile(rf"({PLATFORM}|ten_[0-9a-z]{{26}})\.[A-Za-z0-9_-]{{43}}")
# That somebody is still there is written down so often, not with every page.
_SEEN_EVERY: Final = timedelta(minutes=1)
# What a session's list may say of a browser: words of ours, nothing that was sent. The first that fits.
_BROWSERS: Final = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox")),
    *(("Chrome/", "Chrome"), ("Safari/", "Safari")),
)
_SYSTEMS: Final = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad")),
    *(("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux")),
)


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in."""

    session: Session
    caller: Caller | None
    """None: the platform's operator."""
    form_token: str = field(repr=False)
    """What a form of this session brings back. Made of the cookie, which cannot be made of it."""


async def begin(here: House, about: Exchange, lock: tenants.Lock | None, user_agent: str) -> str:
    """A new session of this credential, or of the platform's operator: the cookie that opens it."""
    now = here.world.clock()
    tenant_id = PLATFORM if lock is None else lock.credential.tenant_id
    cookie = f"{tenant_id}.{secrets.token_urlsafe(32)}"
    session = Session(
        id=new_id("ses", now),
        tenant_id=tenant_id,
        credential_id=None if lock is None else lock.credential.id,
        browser=_browser(user_agent),
        created_at=now,
        seen_at=now,
        ends_at=now + LONGEST,
    )
    kept = Kept(session=session, bound_to=_binding(here, cookie, lock))
    async with here.world.database.tenant(tenant_id) as tx:
        await console_sessions.add(tx, kept, _digest(cookie))
        await _on_record(tx, about, session, _caller(lock), "console.signed_in")
    return cookie


async def end(here: House, about: Exchange, who: Visitor, session_id: str) -> None:
    """End this session, if it is one of theirs. Safe to repeat."""
    async with here.world.database.tenant(who.session.tenant_id) as tx:
        ended = await console_sessions.end(tx, session_id, who.session.credential_id)
        if ended is not None:
            await _on_record(tx, about, ended, who.caller, "console.session_ended")


async def end_others(here: House, about: Exchange, who: Visitor) -> None:
    """End all of their sessions but the one they ask with."""
    async with here.world.database.tenant(who.session.tenant_id) as tx:
        for ended in await console_sessions.end_others(tx, who.session.id, who.session.credential_id):
            await _on_record(tx, about, ended, who.caller, "console.session_ended")


async def sessions_of(here: House, who: Visitor) -> list[Session]:
    """Where they are signed in now; the session used last comes first."""
    async with here.world.database.tenant(who.session.tenant_id) as tx:
        return await console_sessions.of(tx, who.session.credential_id, here.world.clock())


async def _on_record(
    tx: AsyncConnection, about: Exchange, session: Session, caller: Caller | None, action: str
) -> None:
    """On the tenant's record. The operator is no tenant and has none, so the log tells it."""
    if caller is None:
        _log.info(action, actor=PLATFORM, session_id=session.id)
    else:
        await audit.record(tx, about.deed(session.tenant_id, actor(caller), action, session.id))


async def visitor_of(here: House, request: Request) -> Visitor | None:
    """Who is signed in, if the session lives and what it was opened with is still what it was."""
    cookie = request.cookies.get(cookie_name(here), "")
    written = _WRITTEN.fullmatch(cookie)
    if written is None:
        return None
    now = here.world.clock()
    async with here.world.database.tenant(written[1]) as tx:
        kept = await console_sessions.find(tx, _digest(cookie))
        if kept is None or not kept.session.lives(now):
            return None
        lock = None
        if kept.session.credential_id is not None:
            lock = await tenants.lock(tx, kept.session.credential_id, now)
            if lock is None or lock.credential.revoked:
                return None
        if not hmac.compare_digest(kept.bound_to, _binding(here, cookie, lock)):
            return None
        if now - kept.session.seen_at >= _SEEN_EVERY:
            await console_sessions.seen(tx, kept.session.id, now)
    return Visitor(kept.session, _caller(lock), _form_token(cookie))


async def operator_session(request: Request, here: TheHouse) -> Session:
    """The session of the platform's operator who is asking. Raises ``Unauthorized``, for tenants' people too.

    Browsers send the cookie to every port of our host, and from no other site (docs/operations/console.md).
    """
    who = await visitor_of(here, request)
    if who is None or who.caller is not None:
        raise Unauthorized
    return who.session


# --- The cookie -----------------------------------------------------------------------------------


def cookie_name(here: House) -> str:
    """With the prefix, a browser takes the cookie only from this very host, over TLS (RFC 6265bis)."""
    return f"__Host-{_COOKIE}" if _over_tls(here) else _COOKIE


def hand_over(response: Response, here: House, cookie: str) -> None:
    response.set_cookie(
        cookie_name(here), cookie, path="/", secure=_over_tls(here), httponly=True, samesite="strict"
    )


def take_back(response: Response, here: House) -> None:
    response.delete_cookie(
        cookie_name(here), path="/", secure=_over_tls(here), httponly=True, samesite="strict"
    )


def _over_tls(here: House) -> bool:
    return not here.development or here.public_url.startswith("https://")


def _digest(cookie: str) -> bytes:
    return sha256(cookie.encode()).digest()


def _form_token(cookie: str) -> str:
    made = hmac.digest(cookie.encode(), b"form", "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def _binding(here: House, cookie: str, lock: tenants.Lock | None) -> bytes:
    """Of what a session rests on, under its cookie: who reads the database cannot try keys by it."""
    if lock is None:
        facts = [PLATFORM, here.admin_keys[0]]
    else:
        credential = lock.credential
        facts = [credential.id, str(credential.version), credential.role, lock.hashes[0]]
    return hmac.digest(cookie.encode(), "\x1f".join(facts).encode(), "sha256")


def _caller(lock: tenants.Lock | None) -> Caller | None:
    if lock is None:
        return None
    credential = lock.credential
    return Caller(
        tenant_id=credential.tenant_id,
        credential_id=credential.id,
        name=credential.name,
        role=credential.role,
    )


def _browser(user_agent: str) -> str:
    """Which browser this seems to be, in words of ours; empty when it looks like none."""
    seen = [next((name for mark, name in each if mark in user_agent), "") for each in (_BROWSERS, _SYSTEMS)]
    return ", ".join(filter(None, seen))
