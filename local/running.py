"""How commands find a platform that runs already."""

import json
import os
from pathlib import Path
from typing import Any

import httpx


async def find() -> dict[str, Any] | None:
    """The ready file of a platform that answers, or None.

    Looked for at PAYSAGA_READY_FILE, then in PAYSAGA_DATA_DIR, then in ``.paysaga``.
    """
    named = os.environ.get("PAYSAGA_READY_FILE")
    folder = Path(os.environ.get("PAYSAGA_DATA_DIR") or ".paysaga")
    path = Path(named) if named else folder / "ready.json"
    try:
        ready: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        try:
            await http.get(f"{ready['apiUrl']}/livez")
        except httpx.HTTPError:
            return None
    return ready
