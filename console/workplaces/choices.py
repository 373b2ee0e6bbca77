"""What a tenant has chosen: the simple things as a form, the rest as it stands."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import tenants as routes
from console.guard import ConsoleRoute
from console.workplaces.desk import TheDesk, Word, typed
from domain.errors import ValidationFailed
from domain.money import exponent
from domain.tenant import MAY_ADMINISTER, LatePolicy, PartialRefundPolicy
from storage import accounts, tenants

PATH: Final = "/console/settings"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)

_MINUTE: Final = 60
_LIMIT: Final = "limit_"
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:[.,][0-9]{1,3})?")
_ON_THE_FORM: Final = {
    *("checkout_expires_in_seconds", "default_provider", "late_payment"),
    *("partial_refund", "refund_approval_threshold"),
}


@router.get("")
async def show_settings(desk: TheDesk) -> HTMLResponse:
    person = desk.person()
    async with desk.looking() as tx:
        settings = (await tenants.get(tx, person.tenant_id)).settings
        providers = [account.provider for account in await accounts.live(tx)]
    facts = {
        "settings": settings,
        "minutes": settings.checkout_expires_in_seconds // _MINUTE,
        "limits": {
            code: _major(limit, code) for code, limit in sorted(settings.refund_approval_threshold.items())
        },
        "providers": providers,
        "late": [*LatePolicy],
        "partial": [*PartialRefundPolicy],
        "others": settings.model_dump(mode="json", exclude=_ON_THE_FORM),
    }
    return await desk.page("settings.html", **facts)


@router.post("")
async def change_settings(
    desk: TheDesk,
    request: Request,
    minutes: Annotated[str, Form(max_length=8)] = "",
    late: Annotated[str, Form()] = "",
    partial: Annotated[str, Form()] = "",
    provider: Annotated[Word, Form()] = None,
) -> Response:
    """Limits of refunds come by their currencies; one that is left empty is no limit any more."""
    person = desk.person(MAY_ADMINISTER)
    form = {name: str(value).strip() for name, value in (await request.form()).items()}
    news = typed(
        routes.NewSettings,
        checkoutExpiresInSeconds=_seconds(minutes),
        defaultProvider=provider,
        latePayment=late,
        partialRefund=partial,
        refundApprovalThreshold=_limits(form),
    )
    await routes.change_settings(news, person, desk.here, desk.about)
    return desk.back(PATH, "saved")


def _seconds(minutes: str) -> Any:
    # What is no number is for the API's model to refuse.
    return int(minutes) * _MINUTE if minutes.isascii() and minutes.isdecimal() else minutes


def _limits(form: dict[str, str]) -> dict[str, int]:
    typed_in = {name.removeprefix(_LIMIT): value for name, value in form.items() if name.startswith(_LIMIT)}
    if more := form.get("more_currency", "").upper():
        typed_in[more] = form.get("more_limit", "")
    return {currency: _minor(value, currency) for currency, value in typed_in.items() if value}


def _minor(amount: str, currency: str) -> int:
    """``amount`` as people write it, in major units. Raises ``ValidationFailed``."""
    plain = amount.replace(" ", "").replace("\u00a0", "")
    minor = Decimal(plain.replace(",", ".")).scaleb(exponent(currency)) if _NUMBER.fullmatch(plain) else None
    if minor is None or minor != int(minor):
        fault = "an amount of this currency is needed, such as 100000 or 99.50"
        raise ValidationFailed(errors=(("/refundApprovalThreshold", fault),))
    return int(minor)


def _major(minor: int, currency: str) -> str:
    return f"{Decimal(minor).scaleb(-exponent(currency)).normalize():f}"
