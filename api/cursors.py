"""Places in long lists, as callers hold them: opaque, and of use only where they come from."""

import base64
import re
from datetime import datetime

from api.strict import in_utc
from domain.errors import ValidationFailed


def cursor(at: datetime, id_: str) -> str:
    """What the page behind this one is asked for with."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {id_}".encode()).decode()


def place(cursor: str, prefix: str) -> tuple[datetime, str]:
    """The (created_at, id) in it; the id begins with ``prefix``. Raises ``ValidationFailed``."""
    try:
        at, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        moment = in_utc(datetime.fromisoformat(at))
    except ValueError:
        id_ = ""
    if not re.fullmatch(rf"{prefix}_[0-9a-z]{{26}}", id_):
        raise ValidationFailed(errors=(("/query/cursor", "this is not a cursor of ours"),))
    return moment, id_
