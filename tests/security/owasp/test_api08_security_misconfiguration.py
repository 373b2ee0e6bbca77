"""OWASP API8:2023. What is switched on by default is safe; what is not safe refuses to start.

Pages and their headers: ``tests/security/test_pages.py``; secrets in logs and errors: ``test_canaries.py``.
"""

import base64
import secrets
from typing import Any

import pytest
from pydantic import ValidationError

from settings import Settings
from tests.house import House, Tenant


def settings(**more: Any) -> Settings:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    facts: dict[str, Any] = {
        "env": "production",
        "database_url": "postgresql://a:b@127.0.0.1/c",
        "admin_key": secrets.token_urlsafe(32),
        **dict.fromkeys(("signing_keys", "audit_keys", "vault_keys", "payload_keys"), key),
    }
    return Settings(**facts | more)


def test_production_is_what_one_gets_without_asking() -> None:
    assert Settings.model_fields["env"].default == "production"
    assert not settings().development


@pytest.mark.parametrize(
    ("name", "weak"),
    [
        ("admin_key", "adm_short"),
        ("admin_key", "development-" + "x" * 40),
        ("signing_keys", ""),
        ("signing_keys", base64.b64encode(b"short").decode()),
        ("vault_keys", "not base64!"),
        ("audit_keys", ""),
    ],
)
def test_production_does_not_start_on_a_weak_secret_and_does_not_repeat_it(name: str, weak: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**{name: weak})
    assert not weak or weak not in str(refused.value)


async def test_answers_do_not_say_what_they_are_served_by(house: House) -> None:
    for path in ("/v1/payments", "/livez", "/nowhere", "/docs"):
        headers = (await house.http.get(path)).headers
        assert not headers.keys() & {"server", "x-powered-by"}, path


async def test_no_other_site_may_read_the_api(tenant: Tenant) -> None:
    evil = {"Origin": "https://evil.example"}
    read = await tenant.call("GET", "/v1/tenants/me", headers=evil)
    assert not [name for name in read.headers if name.startswith("access-control-")]
    ask = evil | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = await tenant.call("OPTIONS", "/v1/payments", headers=ask)
    assert not [name for name in preflight.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "DEBUG", "PROPFIND"])
async def test_methods_that_nobody_needs_do_nothing(house: House, method: str) -> None:
    answer = await house.http.request(method, "/v1/payments")
    assert answer.status_code in {400, 404, 405}


async def test_what_is_private_is_not_kept_by_anybody_on_the_way(tenant: Tenant) -> None:
    for path in ("/v1/tenants/me", "/v1/payments", "/v1/payments/pay_1"):
        assert (await tenant.call("GET", path)).headers["cache-control"] == "no-store"


async def test_an_unforeseen_path_tells_nothing_of_the_inside(house: House) -> None:
    paths = ("/.env", "/.git/config", "/server-status", "/debug", "/v1/../settings.py",
             "/docs/../../settings.py", "/docs/%2e%2e/%2e%2e/settings.py", "/actuator")  # fmt: skip
    for path in paths:
        answer = await house.http.get(path)
        assert answer.status_code in {303, 307, 400, 404}, path
        assert "PAYSAGA_" not in answer.text
        assert "Traceback" not in answer.text
