"""Whether we live, whether we are ready, and the keys our tokens are verified with."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Response
from sqlalchemy import text
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from api.deps import House, TheHouse
from api.strict import Answer
from storage import schema
from workflows.policies import QUEUE

router = APIRouter(tags=["health"])

_PATIENCE: Final = 3


class Alive(Answer):
    status: str = "ok"


class Readiness(Answer):
    ready: bool
    missing: list[str]
    """What we wait for: "database", "migrations", "temporal", "worker"."""


@router.get("/livez")
async def livez() -> Alive:
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(here: TheHouse, response: Response) -> Readiness:
    """200 when payments can be taken and finished; else 503 and what is missing."""
    checks = {"database": _database, "migrations": _migrations, "temporal": _temporal, "worker": _worker}
    outcomes = await asyncio.gather(*(_passes(check, here) for check in checks.values()))
    missing = [name for name, passed in zip(checks, outcomes, strict=True) if not passed]
    if missing:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return Readiness(ready=not missing, missing=missing)


async def _passes(check: Callable[[House], Awaitable[bool]], here: House) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await check(here)
    except Exception:  # noqa: BLE001 - any failure means the same here: not ready
        return False


async def _database(here: House) -> bool:
    async with here.world.database.system() as tx:
        return bool((await tx.execute(text("SELECT true"))).scalar())


async def _migrations(here: House) -> bool:
    async with here.world.database.system() as tx:
        return await schema.is_current(tx)


async def _temporal(here: House) -> bool:
    return await here.temporal.service_client.check_health(timeout=timedelta(seconds=_PATIENCE))


async def _worker(here: House) -> bool:
    described = await here.temporal.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=here.temporal.namespace,
            task_queue=TaskQueue(name=QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=timedelta(seconds=_PATIENCE),
    )
    return bool(described.pollers)


@router.get("/.well-known/jwks.json")
async def jwks(here: TheHouse, response: Response) -> dict[str, Any]:
    response.headers["Cache-Control"] = "public, max-age=300"
    return here.tokens.jwks()
