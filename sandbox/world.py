"""What every part of the sandbox works with: its settings, its clock, its store and its account keys."""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sandbox.accounts import Accounts
from sandbox.clock import Clock
from sandbox.store import Store


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that differs between two sandboxes. The platform key stays out of every repr."""

    host: str
    port: int
    control_port: int
    data_dir: Path
    public_url: str
    webhook_url: str | None
    time_scale: float
    platform_key: str = field(repr=False)

    def check(self) -> None:
        """Refuse settings that cannot work, before anything is opened."""
        if not self.time_scale > 0:
            raise ValueError("--time-scale is above 0")
        if self.webhook_url is not None and not self.webhook_url.startswith(("http://", "https://")):
            raise ValueError("--webhook-url is an http(s) address")
        try:
            Accounts(self.platform_key)
        except ValueError as error:
            raise ValueError(f"SANDBOX_PLATFORM_KEY: {error}") from error


@dataclass(slots=True)
class World:
    """One running company."""

    config: Config
    clock: Clock
    store: Store
    accounts: Accounts
    executing: set[tuple[str, str]] = field(default_factory=set)
    """Idempotency keys whose first call is still at work."""
    mail: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a webhook may be waiting."""
    alarm: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something was put off until later, or time was pushed on."""

    def scaled(self, seconds: float) -> timedelta:
        """Shorten a delay of the real world by the time scale."""
        return timedelta(seconds=seconds / self.config.time_scale)


def open_world(config: Config) -> World:
    """Open the data directory and go on where the last process was left, its clock included."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    store = Store(config.data_dir / "sandbox.sqlite3")
    advanced = timedelta(microseconds=int(store.setting("advanced_us") or 0))
    return World(config, Clock(advanced), store, Accounts(config.platform_key))


def log(event: str, **fields: object) -> None:
    """Write one line of JSON on stderr. Callers pass no secrets and no card numbers."""
    sys.stderr.write(json.dumps({"event": event, **fields}, default=str) + "\n")
    sys.stderr.flush()
