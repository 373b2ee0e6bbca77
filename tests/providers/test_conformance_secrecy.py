"""An account's secrets go to its company and nowhere else.

That no log, no address and no exception of a failing call shows them is seen wherever a company is played;
here is what remains.
"""

import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from pydantic import ValidationError

from domain.payment import PaymentOrder
from providers.base import Checkout
from providers.sandbox import Sandbox
from tests.providers.case import NAMES, Case, case_of
from tests.providers.discretion import check_discreet, told_by
from tests.providers.scripted import Company
from tests.providers.verbs import VERBS

SHOWN: Final[tuple[Callable[[Any], str], ...]] = (repr, str, ascii, "{}".format, "%s".__mod__)


@pytest.mark.parametrize("name", NAMES)
def test_every_provider_has_a_case(name: str) -> None:
    case = case_of(name)
    assert set(case.private) >= {case.api_key, *case.webhook_secrets}
    assert set(case.secrets) == set(case.other)


def test_a_provider_without_a_case_is_told_what_to_write() -> None:
    with pytest.raises(AssertionError, match=r"write tests/providers/cases/newcomer\.py"):
        case_of("newcomer")


def test_neither_an_adapter_nor_its_secrets_show_any(case: Case, http: httpx.AsyncClient) -> None:
    adapter = case.adapter(http)
    secrets = case.provider.Secrets.model_validate(dict(case.secrets))
    for thing in (adapter, secrets, vars(adapter), secrets.model_dump(), secrets.model_dump(mode="json")):
        for shown in SHOWN:
            check_discreet(case, shown(thing), f"{shown.__name__} of {type(thing).__name__}")
    check_discreet(case, secrets.model_dump_json(), "JSON")


def test_what_refuses_secrets_does_not_repeat_them(case: Case, http: httpx.AsyncClient) -> None:
    wrong: list[dict[str, Any]] = [
        {**case.secrets, "unheard_of": case.secrets[case.api_key]},
        *({**case.secrets, name: [case.secrets[name]]} for name in case.secrets),
        *(
            {one: it for one, it in case.secrets.items() if one != name}
            for name in (case.api_key, case.webhook_secrets[0])
        ),
        *({**case.secrets, name: case.secrets[name][:-3] + "\n \0"} for name in case.webhook_secrets),
    ]
    for secrets in wrong:
        try:
            case.adapter(http, None, secrets)
        except ValidationError as refused:
            check_discreet(case, told_by(refused), "a refusal")


def test_secrets_do_not_travel_by_accident(case: Case, http: httpx.AsyncClient) -> None:
    """An adapter that got into a workflow's argument, or a cache, must not take them along."""
    try:
        taken = pickle.dumps(case.adapter(http))
    except (TypeError, AttributeError, pickle.PicklingError):
        return
    check_discreet(case, taken.decode("latin-1"), "a pickle")


async def test_two_accounts_share_nothing_that_can_change(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    before = case.adapter(http, company.base, case.other)
    for name, verb in case.verbs.items():
        company.plays(case.scripts[name])
        await verb.ask(case.adapter(http, company.base))
    # The older one is still who it was, whatever has been made and used since.
    company.plays(case.scripts["read_checkout"])
    await VERBS["read_checkout"].ask(before)
    sent = str(company.asked)
    assert case.other[case.api_key] in sent
    assert case.secrets[case.api_key] not in sent


async def test_an_adapter_takes_nothing_from_the_environment(
    case: Case, company: Company, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STRIPE_API_KEY", "DODO_PAYMENTS_API_KEY", "DODO_PAYMENTS_WEBHOOK_KEY", "API_KEY"):
        monkeypatch.setenv(name, "from_the_environment")
    for name in ("DODO_PAYMENTS_BASE_URL", "STRIPE_API_BASE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    company.plays(case.scripts["read_checkout"])
    await VERBS["read_checkout"].ask(case.adapter(http, company.base))
    assert company.asked
    assert "from_the_environment" not in str(company.asked)


# --- That these checks can fail ---------------------------------------------------------------------


@pytest.mark.usefixtures("unregistered")
async def test_a_log_that_shows_a_key_is_noticed(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    class Chatty(Sandbox):
        name = "chatty"

        async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
            logging.getLogger("chatty").debug("as %s", self._headers())
            return await super().open_checkout(order, customer)

    case = replace(case_of("sandbox"), provider=Chatty)
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception, match="reached"):
        await VERBS["open_checkout"].ask(case.adapter(http))
    with pytest.raises(AssertionError, match="a secret is in a log"):
        check_discreet(case, "\n".join(record.getMessage() for record in caplog.records), "a log")
