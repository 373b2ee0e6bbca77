"""A platform lives through a day in which its secrets are used and much goes wrong; then they are looked for.

Each may lie where it belongs, and in the one answer that shows it. Everywhere else it is a leak: in logs at
DEBUG, the database with its write-ahead log, Temporal's store, answers, commands, what operators are shown.

What this cannot see: secrets in the memory of processes, and so in core dumps; text that PostgreSQL has
compressed in its files (the dump has it plain); what is inside of sealed payloads (the same steps ran plain
before); spellings that ``canaries`` does not know, such as encrypted by a key that lies beside. What a
payment company has signed is evidence and kept to the byte: were there a card in it, it would be in the
inbox. The sandbox's own store is a company's, which knows its merchants' keys. The environment of a process
holds its settings: here it is shown only that no other user reads it.
"""

import base64
import json
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.security.canaries import Canary, Search
from tests.security.day import MAIL, Day, lived
from tests.security.places import KEPT, LOOKS, PLANTS
from tests.stories.tenancy import CREDENTIALS, LOGIN, REGISTER

pytestmark = [pytest.mark.timeout(1800), pytest.mark.slow]

KINDS: Final = {
    *("app secret", "access token", "checkout token", "endpoint secret", "session cookie", "form token"),
    *("provider API key", "provider webhook secret", "sandbox platform key", "admin key", "card", MAIL),
    *("signing key", "audit key", "vault key", "payload keys"),
    *("superuser password", "owner password", "runtime password"),
}
# The answers that show a secret, and no other does.
SHOWN: Final = {
    "app secret": {f"POST {REGISTER} 201", f"POST {CREDENTIALS} 201"},
    "endpoint secret": {f"POST {REGISTER} 201", "POST /v1/webhook-endpoints 201"},
    "access token": {f"POST {LOGIN} 200"},
    "checkout token": {"POST /v1/payments 201", "POST /v1/payments 202"},
    "session cookie": {"POST /console/login 303", "POST /console/login/operator 303"},
    "form token": {"GET /console 200"},
}
# Each page has it that has a form.
OFTEN: Final = {"form token"}


@pytest.fixture(scope="module")
async def day(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Day]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 40 + 20 * number
    async with lived(tmp_path_factory.mktemp("canaries") / "house", base) as day:
        yield day


def test_every_kind_of_secret_was_used(day: Day) -> None:
    assert {each.kind for each in day.canaries} == KINDS


@pytest.mark.parametrize("place", LOOKS)
async def test_no_secret_is_left_in(place: str, day: Day) -> None:
    search = Search(day.canaries)
    await LOOKS[place](day, search)
    assert search.places
    assert not search.found, "\n".join(search.found)


@pytest.mark.parametrize("place", LOOKS)
async def test_one_that_is_planted_is_found_in(place: str, day: Day, tmp_path: Path) -> None:
    planted = Canary("planted", f"whsec_{secrets.token_hex(24)}")
    async with PLANTS[place](day, planted, tmp_path) as careless:
        search = Search([planted])
        await LOOKS[place](careless, search)
    assert search.found


def test_every_spelling_is_found(day: Day, tmp_path: Path) -> None:
    for number, canary in enumerate(day.canaries):
        for at, spelling in enumerate(sorted(canary.spellings())):
            (tmp_path / f"{number}-{at}").write_bytes(bytes(100) + b"x" + spelling + b'"\n')
        assert len(canary.core) >= 16, canary.kind
    search = Search(day.canaries)
    search.files(tmp_path)
    assert len({line.partition(" in ")[2] for line in search.found}) == search.places
    assert {line.partition(" in ")[0] for line in search.found} == KINDS
    for padding in ("", "a", "ab"):
        hidden = Search(day.canaries)
        hidden.text("base64", base64.b64encode(f"{padding}{day.house.ready['adminKey']}, and more".encode()))
        assert hidden.found


def test_an_answer_shows_a_secret_only_where_it_is_made_and_once(day: Day) -> None:
    shown: dict[str, int] = {}
    for canary in day.canaries:
        if canary.kind != MAIL:
            asked = [asked for asked, answer in day.recorder.answers if _shows(answer, canary)]
            if canary.kind == "checkout token":
                # The payer's page was asked for with it, and asks with it how the payment stands.
                asked = [each for each in asked if each != f"GET /pay/{_payment_of(canary)} 200"]
            assert {*asked} <= SHOWN.get(canary.kind, set()), canary.kind
            assert len(asked) <= 1 or canary.kind in OFTEN, (canary.kind, asked)
            shown[canary.kind] = shown.get(canary.kind, 0) + len(asked)
    # Nor would the search have missed them elsewhere: it finds them here.
    assert {kind for kind, times in shown.items() if times} == SHOWN.keys()


def _payment_of(checkout_token: Canary) -> str:
    claims = checkout_token.secret.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])


def _shows(answer: bytes, canary: Canary) -> bool:
    search = Search([canary])
    search.text("an answer", answer)
    return bool(search.found)


def test_a_payers_address_is_told_to_its_tenant_alone(day: Day) -> None:
    """It is in the order, and in nothing else that travels without being asked for."""
    mail = next(each for each in day.canaries if each.kind == MAIL)
    told = {asked.rpartition(" ")[0] for asked, answer in day.recorder.answers if _shows(answer, mail)}
    payments = {f"GET /v1/payments/{payment}{part}" for payment in day.payments for part in ("", "/proof")}
    assert told <= payments | {"GET /v1/payments", "POST /v1/payments"}
    assert told


def test_no_other_user_reads_what_a_process_was_told(day: Day) -> None:
    for part in day.house.ready["pidFiles"]:
        environment = Path(f"/proc/{psutil.Process(day.house.pid(part)).pid}/environ")
        if environment.exists():
            assert environment.stat().st_mode & 0o077 == 0


def test_files_with_secrets_are_their_owners_alone(day: Day) -> None:
    folder = day.house.data_dir
    assert folder.stat().st_mode & 0o077 == 0
    for name in KEPT:
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
