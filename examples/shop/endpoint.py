"""Makes sure that the platform tells us what happens, and that we can tell its voice."""

import json
import os
from pathlib import Path
from typing import Final

from books import MEANING
from paysaga_client import AsyncPaysaga

PRIVATE: Final = 0o600


async def webhook_secret(paysaga: AsyncPaysaga, url: str, memory: Path) -> str:
    """The secret of our endpoint at this address, made if there is none yet.

    The platform shows a secret once, so it is kept in ``memory``. Whoever has lost it gets a new one.
    """
    known = next((each for each in await paysaga.webhook_endpoints.list() if each.url == url), None)
    if known is None:
        made = await paysaga.webhook_endpoints.create(url, events=sorted(MEANING))
        return _kept(memory, made.id, made.secret)
    if memory.exists() and (kept := json.loads(memory.read_text()))["endpoint"] == known.id:
        return str(kept["secret"])
    rotated = await paysaga.webhook_endpoints.rotate_secret(known.id, overlap_seconds=0)
    return _kept(memory, known.id, rotated.secret)


def _kept(memory: Path, endpoint: str, secret: str) -> str:
    draft = memory.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "w") as file:
        json.dump({"endpoint": endpoint, "secret": secret}, file)
    draft.replace(memory)
    return secret
