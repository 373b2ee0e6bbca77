"""What a tenant has chosen: the simple things as a form, the rest as it stands."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import tenants as routes
from console.guard import ConsoleRoute
from console.typed import amount, plainly
from console.workplaces.desk import TheDesk, Word, typed
from documents.words import Language
from domain.errors import ValidationFailed
from domain.tenant import MAY_ADMINISTER, LatePolicy, PartialRefundPolicy
from storage import accounts, tenants

PATH: Final = "/console/settings"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)

_MINUTE: Final = 60
_LIMIT: Final = "limit_"
_ON_THE_FORM: Final = {
    *("checkout_expires_in_seconds", "default_provider", "late_payment"),
    *("partial_refund", "refund_approval_threshold"),
}


@router.get("")
async def show_settings(desk: TheDesk) -> HTMLResponse:
    person, language = desk.person(), desk.language
    async with desk.looking() as tx:
        settings = (await tenants.get(tx, person.tenant_id)).settings
        providers = [account.provider for account in await accounts.live(tx)]
    facts = {
        "settings": settings,
        "minutes": settings.checkout_expires_in_seconds // _MINUTE,
        "limits": {
            code: plainly(limit, code, language)
            for code, limit in sorted(settings.refund_approval_threshold.items())
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
        refundApprovalThreshold=_limits(form, desk.language),
    )
    await routes.change_settings(news, person, desk.here, desk.about)
    return desk.back(PATH, "saved")


def _seconds(minutes: str) -> Any:
    # What is no number is for the API's model to refuse.
    return int(minutes) * _MINUTE if minutes.isascii() and minutes.isdecimal() else minutes


def _limits(form: dict[str, str], language: Language) -> dict[str, int]:
    written = {name.removeprefix(_LIMIT): value for name, value in form.items() if name.startswith(_LIMIT)}
    if more := form.get("more_currency", "").upper():
        written[more] = form.get("more_limit", "")
    return {code: _minor(value, code, language) for code, value in written.items() if value}


def _minor(written: str, currency: str, language: Language) -> int:
    """Raises ``ValidationFailed`` for what is no amount, ``CurrencyUnsupported`` for what is no currency."""
    minor = amount(written, currency, language)
    if minor is None:
        fault = "an amount of this currency is needed"
        raise ValidationFailed(errors=(("/refundApprovalThreshold", fault),))
    return minor
