"""What schemathesis loads: made-up addresses lead nowhere.

A webhook or a page at an address that happens to exist would call on strangers.
"""

from typing import Any

import schemathesis

from domain.text import check_url
from tests.stories.visitor import ENDPOINT

_ADDRESSES = ("url", "webhookUrl", "apiBase")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put our own closed door in the place of other people's."""
    del context, kwargs
    if isinstance(case.body, dict):
        for name in _ADDRESSES:
            if name in case.body and _leads_somewhere(case.body[name]):
                case.body[name] = ENDPOINT["url"]


def _leads_somewhere(address: object) -> bool:
    """Whether we would take it; what we would not must stay as it is, to be refused."""
    try:
        return isinstance(address, str) and bool(check_url(address))
    except ValueError:
        return False
