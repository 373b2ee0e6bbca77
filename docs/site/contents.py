"""Which pages the site has, in the order in which somebody needs them."""

from collections.abc import Iterator, Mapping
from typing import Final

CONTENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Integrate": (
        "integration/overview",
        "getting-started",
        "integration/creating-payments",
        "integration/redirects",
        "integration/hosted-page",
        "integration/webhooks",
        "integration/webhook-endpoints",
        "integration/refunds",
        "integration/disputes",
        "integration/approvals",
        "integration/subscriptions",
        "integration/plans",
        "integration/pricing-page",
        "integration/entitlements",
        "integration/company-schedules",
        "integration/routing",
        "integration/reports",
        "integration/sandbox-mode",
        "sandbox",
        "integration/sdk",
        "integration/python",
        "integration/shop",
        "integration/javascript",
        "integration/best-practices",
    ),
    "Look up": ("errors", "api/index", "events"),
    "Operate": ("providers", "operations/*", "reliability"),
    "Understand": ("architecture", "security", "threat-model"),
    "Decisions and changes": ("adr/*", "changelog"),
}
"""A page that is not written yet has its place already. ``api/index`` leads to one page per noun."""


def places() -> Iterator[str]:
    for pages in CONTENTS.values():
        yield from pages
