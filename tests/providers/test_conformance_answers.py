"""What a company says is taken as it is meant, or not at all: never as more than it says.

The right answers first; then the same with a word nobody knows, with nonsense in every place, and nonsense
altogether.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import httpx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domain.dispute import DisputeObservation, DisputeWord
from domain.errors import ProviderError, ProviderRejected, ProviderUnsupported
from domain.evidence import Observation, Word
from domain.reconciliation import Page
from domain.refund import RefundObservation, RefundWord
from domain.subscription import SubscriptionObservation, SubscriptionWord
from providers.base import Capability
from providers.sandbox import Sandbox
from tests.providers.case import NAMES, Case, Place, case_of, paths, rewritten
from tests.providers.scripted import Company, Json, Script, Spoken
from tests.providers.verbs import CUSTOMER, VERBS, Verb, has, is_storable

Said = Observation | RefundObservation | DisputeObservation | SubscriptionObservation
STRANGE: Final = "never_heard_of"
GOOD: Final = frozenset({Word.PAID, RefundWord.SUCCEEDED, DisputeWord.WON, SubscriptionWord.ACTIVE})


def observed(answer: Any) -> list[Said]:
    """What an answer says of anything's state."""
    if isinstance(answer, Page):
        return [item.said for item in answer.items if item.said is not None]
    return [answer] if isinstance(answer, Said) else []


def is_page(answer: str) -> bool:
    return answer.startswith("https://") and answer.isprintable()


async def heard(case: Case, company: Company, http: httpx.AsyncClient, verb: Verb, script: Script) -> Any:
    """What the adapter makes of this script: its answer, or its ``ProviderError``; nothing else comes out."""
    company.plays(script)
    try:
        return await verb.ask(case.adapter(http, company.base))
    except ProviderError as error:
        return error
    except Exception as escaped:
        raise AssertionError(f"{case.provider.name}.{verb.name} lets {escaped!r:.200} out") from escaped


async def test_what_a_provider_claims_to_have_works(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for name, verb in case.verbs.items():
        assert name in case.scripts, f"the case of {case.provider.name} has no script for {name}"
        company.plays(case.scripts[name])
        answer = await verb.ask(case.adapter(http, company.base))
        assert verb.understood(answer), f"{name}: {answer!r}"
        assert not company.unscripted, f"{name} asked what the case has no answer to: {company.unscripted}"


async def test_what_it_does_not_claim_is_refused_and_nothing_sent(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for verb in VERBS.values():
        if verb.optional and not has(case.provider, verb):
            with pytest.raises(ProviderUnsupported):
                await verb.ask(case.adapter(http, company.base))
    assert company.history == []


def test_a_provider_is_found_again_after_a_lost_answer_one_way_or_another(case: Case) -> None:
    claims = case.provider.capabilities
    assert Capability.IDEMPOTENT_WRITES in claims or Capability.FIND_BY_REFERENCE in claims


async def check_strange_words(case: Case, company: Company, http: httpx.AsyncClient) -> None:
    for name, places in case.states.items():
        for place in places:
            script = rewritten(case.scripts[name], place, STRANGE)
            answer = await heard(case, company, http, VERBS[name], script)
            where = f"{case.provider.name}.{name} at {place.path}: {answer!r}"
            assert isinstance(answer, Page | Said), where
            for said in observed(answer):
                assert said.word == "unclear", where
                assert STRANGE in said.raw_state, where


async def test_a_word_nobody_knows_is_unclear_and_told_as_it_was(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    opening = {"open_checkout", "open_keeping", "open_setup", "subscribe"}
    unasked = opening | {"ensure_customer", "portal_url", "saved_methods"}
    assert set(case.verbs) - unasked <= set(case.states), "a verb whose states the case does not name"
    await check_strange_words(case, company, http)


# --- Nonsense ---------------------------------------------------------------------------------------

NASTY: Final[tuple[Json, ...]] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    float("inf"),
    float("nan"),
    "",
    "1990000",
    "2026-11-21T12:00:00",
    "\0",
    "\ud800",
    "é" * 10_000,
    [],
    [None],
    ["succeeded"],
    {},
    {"id": []},
    [[[[]]]],
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def check_sane(case: Case, verb: Verb, place: Place, value: Json, answer: Any) -> None:
    """Nonsense in one place: what depends on that place is not believed, and nothing is called refused."""
    where = f"{case.provider.name}.{verb.name} with {value!r:.60} at {place}: {answer!r:.300}"
    if place.path.rpartition(".")[2].isdigit():
        # A whole entry of a list: nobody knows whose that was.
        assert not any(said.word == "absent" for said in observed(answer)), where
    if isinstance(answer, str):
        # A name, or a page: as they gave it, and not what somebody made of nonsense.
        assert answer in {CUSTOMER, value if isinstance(value, str) else CUSTOMER} or is_page(answer), where
    assert all(is_storable(said) for said in observed(answer)), where
    if place in case.states.get(verb.name, ()):
        assert not any(said.word in GOOD for said in observed(answer)), where
    rule = case.scripts[verb.name][place.rule]
    # The company has answered 2xx: of a write nobody may say any more that it was refused, or never sent.
    if rule.method != "GET" and isinstance(answer, ProviderError):
        assert not isinstance(answer, ProviderRejected), where
        assert type(answer).__name__ == "OutcomeUnknown", where


def places(script: Script) -> Iterator[Place]:
    for number, rule in enumerate(script):
        yield from (Place(number, path) for path in paths(rule.said))


async def check_nonsense(case: Case, each: int) -> None:
    """So many nasty values in every place of every answer, other ones from place to place."""
    company = Company("http://company.test")
    async with httpx.AsyncClient(transport=Spoken(company), trust_env=False) as http:
        for verb in case.verbs.values():
            script = case.scripts[verb.name]
            for number, place in enumerate(places(script)):
                for turn in range(number * each, (number + 1) * each):
                    value = NASTY[turn % len(NASTY)]
                    answer = await heard(case, company, http, verb, rewritten(script, place, value))
                    check_sane(case, verb, place, value, answer)


async def test_nonsense_in_an_answer_is_never_believed(case: Case) -> None:
    await check_nonsense(case, each=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_nonsense_is_believed_wherever_it_stands(case: Case) -> None:
    await check_nonsense(case, each=len(NASTY))


@pytest.mark.parametrize("name", NAMES)
@given(whole=st.dictionaries(st.text(max_size=8), anything, max_size=4))
# Shrinking an example traces all that an SDK does, which takes minutes.
@settings(deadline=None, max_examples=10, phases=(Phase.explicit, Phase.generate))
async def test_nonsense_altogether_says_nothing(name: str, whole: Json) -> None:
    case, company = case_of(name), Company("http://company.test")
    async with httpx.AsyncClient(transport=Spoken(company), trust_env=False) as http:
        for verb in case.verbs.values():
            for number, rule in enumerate(case.scripts[verb.name]):
                script = rewritten(case.scripts[verb.name], Place(number, ""), whole)
                answer = await heard(case, company, http, verb, script)
                if not any(rule.fits(asked) for asked in company.asked):
                    # This one is for another day.
                    continue
                where = f"{name}.{verb.name}, {rule.method} {rule.path}, {whole!r:.100}: {answer!r:.200}"
                assert not isinstance(answer, ProviderRejected), where
                assert not any(said.word == "absent" for said in observed(answer)), where
                if any(place.rule == number for place in case.states.get(verb.name, ())):
                    assert not any(said.word in GOOD for said in observed(answer)), where


# --- That these checks can fail ---------------------------------------------------------------------


@pytest.mark.usefixtures("unregistered")
async def test_an_adapter_that_believes_what_it_does_not_know_does_not_pass(
    company: Company, http: httpx.AsyncClient
) -> None:
    class Gullible(Sandbox):
        name = "gullible"

        async def read_checkout(self, reference: str, now: datetime) -> Observation:
            said = await super().read_checkout(reference, now)
            return said if said.captured is None else said.model_copy(update={"word": Word.PAID})

    class Brittle(Sandbox):
        name = "brittle"

        async def find_checkout(self, payment_id: str, now: datetime) -> Observation:
            query = f"reference={payment_id}"
            said = await self._call("GET", f"/v1/checkout_sessions?{query}", headers=self._headers())
            return await self.read_checkout(said["data"][0]["id"], now)

    case = case_of("sandbox")
    with pytest.raises(AssertionError, match=r"gullible\.read_checkout"):
        await check_strange_words(replace(case, provider=Gullible), company, http)
    with pytest.raises(AssertionError, match=r"gullible\.read_checkout"):
        await check_nonsense(replace(case, provider=Gullible), each=1)
    with pytest.raises(AssertionError, match=r"brittle\.find_checkout lets"):
        await check_nonsense(replace(case, provider=Brittle), each=1)
