"""What we ask of a payment company: the port that every adapter fills.

Subclass ``Provider`` in ``providers/``, or in a package of your own that has an entry point in the
group ``paysaga.providers``, and the provider exists; nothing is registered by hand. An adapter translates and
nothing more: it keeps no state, touches no database, knows no tenant. It raises the ``ProviderError``s of
``domain.errors`` and, from ``read_webhook``, signature refusals; nothing else. What it says are observations:
our word, and the company's own beside it (``raw_state``). A word nobody knows is UNCLEAR, never success.
``docs/providers.md`` tells how one is added.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum, auto
from functools import wraps
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, ParamSpec, TypeVar

import httpx
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints

from domain.dispute import DisputeObservation
from domain.errors import OutcomeUnknown, ProviderError, ProviderRejected, ProviderUnsupported
from domain.evidence import Channel, Id, Observation, Word, storable
from domain.payment import PaymentOrder
from domain.reconciliation import Listed, Page, Subject, Window
from domain.refund import Refund, RefundObservation, RefundWord
from domain.said import Said
from domain.signatures import check_secret
from domain.subscription import (
    BillingNews,
    Charge,
    Customer,
    PlanChange,
    SavedMethod,
    SetupOrder,
    SubscriptionObservation,
    SubscriptionOrder,
)
from domain.values import Value
from providers.line import Line, with_named_calls
from providers.units import ISO, Units
from providers.wire import Request, Wire

PROVIDERS: Final[dict[str, type["Provider"]]] = {}

# How much longer a checkout may live at a provider than with us, who close it when its time is up.
SPARE: Final = timedelta(minutes=1)

Heard = Said | BillingNews
"""All that a webhook can tell."""


class Capability(StrEnum):
    """What a provider can do; asked instead of its name."""

    IDEMPOTENT_WRITES = auto()
    """A write that is sent again with its key is applied once."""
    FIND_BY_REFERENCE = auto()
    """``find_checkout`` knows what our payment id became, and that it became nothing."""
    SESSION_EXPIRE = auto()
    """A checkout that was closed takes no more money. Elsewhere late money is part of the trade."""
    RETURN_URL_NEEDED = auto()
    """The payer must be sent back somewhere: to our own page, where a tenant names no ``successUrl``."""
    ADHOC_AMOUNT = auto()
    """A payment of any amount, with no product behind it."""
    PARTIAL_REFUND = auto()
    ASYNC_REFUND = auto()
    """A refund may be pending for days, and fail in the end."""
    LIST_BY_DATE = auto()
    """Its books can be read: ``list_payments``, ``list_refunds`` and ``list_disputes``."""
    DISPUTES = auto()
    DISPUTE_EVIDENCE = auto()
    """``answer_dispute`` hands evidence in; elsewhere a person does, in the company's dashboard."""
    SUBSCRIPTIONS = auto()
    """The company runs the schedule: ``subscribe`` and the four verbs beside it."""
    PORTAL = auto()
    """A page where the payer sees to cards and subscriptions: ``ensure_customer`` and ``portal_url``."""
    SAVED_METHODS = auto()
    """Charges without the payer: ``saved_methods`` and ``charge_saved``."""
    METHOD_SETUP = auto()
    """Keeps a way of paying for us: ``open_setup``, and ``open_checkout`` with a customer. With it and
    ``SAVED_METHODS`` the schedule of a subscription can be ours."""
    SIGNED_WEBHOOKS = auto()
    WEBHOOK_TIMESTAMP = auto()
    """The signature covers the time, so an old event cannot be played again."""


def web_page(address: object) -> str:
    """An address that payers may be sent to. Raises ``ValueError`` for anything but a page of the web."""
    if not isinstance(address, str) or not address.startswith(("https://", "http://")):
        raise ValueError("this is no page of the web")
    return storable(address)


class Checkout(Value):
    """A hosted checkout that exists at the provider."""

    reference: Annotated[Id, StringConstraints(min_length=1)]
    url: Annotated[str, BeforeValidator(web_page)]


class Secrets(BaseModel):
    """What opens an account. Subclasses name the fields; wire names are camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    @property
    def play_money(self) -> bool | None:
        """Whether they open the company's test mode; None when that cannot be seen."""
        return None


def _fits_a_header(key: SecretStr) -> SecretStr:
    if not re.fullmatch("[!-~]+", key.get_secret_value()):
        raise ValueError("a key is printable ASCII without spaces")
    return key


ApiKey = Annotated[SecretStr, AfterValidator(_fits_a_header)]
"""What goes along in a header. One that no header can carry would turn up in the complaints about it."""


def _verifies(secret: SecretStr) -> SecretStr:
    check_secret(secret.get_secret_value())
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_verifies)]
"""One of Standard Webhooks: ``whsec_…``."""


class Provider(ABC):
    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]
    units: ClassVar[Units] = ISO
    Secrets: ClassVar[type[Secrets]]
    api_base: ClassVar[str | None] = None
    """Where the company's API is, unless an account or the settings say otherwise."""

    def __init_subclass__(cls) -> None:
        if cls.name in PROVIDERS:
            # Whose secrets an account holds must never depend on which of two was loaded last.
            raise ValueError(f"there are two providers of the name {cls.name}")
        PROVIDERS[cls.name] = with_named_calls(cls, Provider)

    def __init__(
        self, http: httpx.AsyncClient, api_base: str | None, secrets: Mapping[str, str], line: Line
    ) -> None:
        """An adapter is made for use here and now: it sends nothing once it is older than ``wire.FRESH``.

        Raises pydantic's ``ValidationError`` for secrets that open nothing, and ``ProviderRejected`` when
        nobody says where the company is, or what is said is no address.
        """
        self._secrets = self.Secrets.model_validate(secrets)
        base = api_base or self._home()
        if base is None:
            raise ProviderRejected(f"{self.name} has no address in this installation")
        self._base = _address(base)
        self._wire = Wire(self.name, http, line, self._refusal)

    # --- One payment --------------------------------------------------------------------------------

    @abstractmethod
    async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
        """Create the hosted checkout. The payment id is the operation key: safe to repeat, where keys are.

        With a ``customer``, by the provider's name, what they pay with is kept for ``charge_saved``
        (``METHOD_SETUP``).
        """

    @abstractmethod
    async def read_checkout(self, reference: str, now: datetime) -> Observation:
        """What the provider says of this checkout now; ABSENT when it positively knows none."""

    @abstractmethod
    async def close_checkout(self, reference: str, now: datetime) -> Observation:
        """Ask the provider to take no more money here, and say what became of it. Safe to repeat.

        Without ``SESSION_EXPIRE`` a checkout that nobody has paid counts as EXPIRED: what comes later is late
        money.
        """

    @abstractmethod
    async def find_checkout(self, payment_id: str, now: datetime) -> Observation:
        """The same, by our reference: for a checkout whose creation nobody can account for.

        The word is ABSENT only when the provider positively knows none that could be paid. Says where it can
        be paid.
        """

    @abstractmethod
    async def refund(self, refund: Refund, now: datetime) -> RefundObservation:
        """Give money back. The refund's id is the operation key, and our reference over there.

        Raises ``ProviderRejected`` when it definitely was not applied.
        """

    @abstractmethod
    async def find_refund(self, refund: Refund, now: datetime) -> RefundObservation:
        """What is said of this refund, by our reference; ABSENT only when it is positively not known."""

    @abstractmethod
    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Heard]:
        """Verify the raw bytes, then translate; pure. One event may tell several things, or none of ours.

        Raises ``SignatureMissing`` or ``SignatureInvalid`` before anything is parsed, and
        ``UnreadableEvent`` when an authentic body cannot be read.
        """

    # --- For providers with DISPUTES and DISPUTE_EVIDENCE -------------------------------------------

    async def read_dispute(self, reference: str, now: datetime) -> DisputeObservation:
        """What the provider says of one of its disputes. Raises ``ProviderNotFound`` when it knows none."""
        raise self._cannot(reference, now)

    async def answer_dispute(
        self, reference: str, facts: Mapping[str, Any], now: datetime, *, submit: bool
    ) -> DisputeObservation:
        """Lay our facts beside a dispute, in place of what lies there; ``submit`` hands it in for good.

        Safe to repeat. Raises ``ProviderRejected`` when nothing can be handed in any more.
        """
        raise self._cannot(reference, facts, now, submit)

    # --- For providers with LIST_BY_DATE ------------------------------------------------------------

    async def list_payments(self, window: Window, cursor: str | None, now: datetime) -> Page:
        """A page of what they captured of checkouts of this time; what cannot be read is in it as that.

        The order of these three lists is the provider's; a cursor is taken up by another process.
        """
        raise self._cannot(window, cursor, now)

    async def list_refunds(self, window: Window, cursor: str | None, now: datetime) -> Page:
        raise self._cannot(window, cursor, now)

    async def list_disputes(self, window: Window, cursor: str | None, now: datetime) -> Page:
        raise self._cannot(window, cursor, now)

    # --- For providers with PORTAL and SAVED_METHODS ------------------------------------------------

    async def ensure_customer(self, customer: Customer) -> str:
        """The provider's name for this customer, who is made when there is none. Safe to repeat."""
        raise self._cannot(customer)

    async def portal_url(self, customer: str, return_url: str) -> str:
        """A page, for some minutes, where this customer sees to cards and subscriptions."""
        raise self._cannot(customer, return_url)

    async def open_setup(self, order: SetupOrder) -> Checkout:
        """A hosted page where the customer leaves a way of paying; ``order.id`` is the operation key."""
        raise self._cannot(order)

    async def saved_methods(self, customer: str) -> tuple[SavedMethod, ...]:
        """What this customer can be charged by without being there: the one they want used comes first."""
        raise self._cannot(customer)

    async def charge_saved(self, charge: Charge, now: datetime) -> Observation:
        """Take money without the payer. The payment id is the operation key.

        Raises ``ProviderDeclined`` with the bank's reason. ATTEMPT_FAILED means that the payer must come and
        approve. Later ``read_checkout`` and ``find_checkout`` tell of it as of a checkout, and
        ``close_checkout`` sees to it that it takes no more.
        """
        raise self._cannot(charge, now)

    # --- For providers with SUBSCRIPTIONS -----------------------------------------------------------

    async def subscribe(self, order: SubscriptionOrder) -> Checkout:
        """A hosted checkout that begins a subscription. The subscription's id is the operation key."""
        raise self._cannot(order)

    async def read_subscription(self, reference: str, now: datetime) -> SubscriptionObservation:
        """What the provider says of it now. Raises ``ProviderNotFound`` when it knows none."""
        raise self._cannot(reference, now)

    async def cancel_subscription(
        self, reference: str, now: datetime, *, at_period_end: bool
    ) -> SubscriptionObservation:
        """End it, now or with the period that is paid for. Safe to repeat."""
        raise self._cannot(reference, now, at_period_end)

    async def keep_subscription(self, reference: str, now: datetime) -> SubscriptionObservation:
        """Take back the wish to end it with its period. Safe to repeat."""
        raise self._cannot(reference, now)

    async def change_subscription(
        self, reference: str, change: PlanChange, now: datetime
    ) -> SubscriptionObservation:
        """Another price or quantity from now on. ``change.key`` is the operation key."""
        raise self._cannot(reference, change, now)

    # --- For adapters -------------------------------------------------------------------------------

    def _home(self) -> str | None:
        """Where the company is, for an account that names no other place."""
        return self.api_base

    def _refusal(self, status: int, said: Mapping[str, Any]) -> ProviderError | None:  # noqa: ARG002
        """What the company means by an answer of 300 to 499; None leaves it to the status."""
        return None

    async def _call(
        self, method: str, path: str, *, headers: Mapping[str, str], payload: object = None
    ) -> Mapping[str, Any]:
        """One JSON call with its failures already sorted. Anything but GET counts as a write."""
        body = None if payload is None else json.dumps(payload)
        return (await self._wire.send(Request(method, self._base + path, headers, body))).said

    def _cannot(self, *_: object) -> ProviderUnsupported:
        return ProviderUnsupported(f"{self.name} has no such thing")

    def _absent(
        self,
        about: str | None,
        now: datetime,
        *,
        reference: str | None = None,
        channel: Channel = Channel.READ,
    ) -> Observation:
        """The provider positively knows no such checkout."""
        return Observation(
            word=Word.ABSENT,
            raw_state="not_found",
            channel=channel,
            cause_id=f"absent:{now.isoformat()}:{about}",
            reference=reference,
            observed_at=now,
        )

    def _no_refund(self, refund: Refund, now: datetime) -> RefundObservation:
        """The provider positively knows no such refund."""
        return RefundObservation(
            word=RefundWord.ABSENT,
            raw_state="not_found",
            cause_id=f"absent:{now.isoformat()}:{refund.id}",
            observed_at=now,
        )


def _address(base: str) -> str:
    """Where a company is. Libraries differ in what they make of an address that is none, and when."""
    try:
        url = httpx.URL(base)
        known = url.scheme in {"http", "https"} and url.host != "" and (url.port or 0) < 1 << 16
    except (httpx.InvalidURL, UnicodeError):
        known = False
    if not known:
        raise ProviderRejected("The account's address is no place on the web.")
    return base.rstrip("/")


def evidence(body: bytes | Mapping[str, Any]) -> str:
    """What is kept of a provider's words: their SHA-256."""
    told = body if isinstance(body, bytes) else json.dumps(body, sort_keys=True, default=str).encode()
    return sha256(told).hexdigest()


def unread(subject: Subject, name: object) -> Listed:
    """An entry of a list that cannot be read, under the company's name for it if that much can be."""
    told = name[:255] if isinstance(name, str) and name.isprintable() else None
    return Listed(subject=subject, reference=told)


def key_of(verb: str, *about: str) -> str:
    """An operation key for what is not ours: companies' names for things may be longer than a key."""
    return f"{verb}-{sha256(chr(31).join(about).encode()).hexdigest()[:40]}"


ILLEGIBLE: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    RecursionError,
)
"""What a translation runs into when an answer is not what it should be: pydantic's errors among them, and
those of an instant that no clock shows."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def legible(translation: Callable[_P, _T]) -> Callable[_P, _T]:
    """The same translation, but it raises ``OutcomeUnknown`` for whatever it cannot read."""

    @wraps(translation)
    def read(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return translation(*args, **kwargs)
        except ILLEGIBLE as error:
            raise OutcomeUnknown("the answer cannot be understood") from error

    return read
