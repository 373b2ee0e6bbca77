"""What stories about tenants share: where to ask, a colleague, and keys to an account of one's own."""

from dataclasses import replace

from tests.house import Json, Tenant

REGISTER, LOGIN, ME = "/v1/tenants/register", "/v1/tenants/login", "/v1/tenants/me"
CREDENTIALS, PROVIDERS, SETTINGS = f"{ME}/credentials", f"{ME}/providers", f"{ME}/settings"


async def colleague(tenant: Tenant, role: str) -> Tenant:
    """A second person of the same tenant, logged in with a secret of their own."""
    answer = await tenant.call("POST", CREDENTIALS, json={"name": f"the {role}", "role": role})
    assert answer.status_code == 201, answer.text
    assert answer.json().keys() == {"id", "name", "role", "appSecret"}
    other = replace(tenant, registered=tenant.registered | {"appSecret": answer.json()["appSecret"]})
    other.registered["credentialId"] = answer.json()["id"]
    other.token = await other.login()
    return other


async def keys(tenant: Tenant) -> Json:
    """What the payment company gives whoever opens an account of their own there."""
    known = await tenant.house.control("POST", "accounts", {"account": f"shop-{tenant.id}"})
    return {"credentials": {name: known[name] for name in ("apiKey", "webhookSecret")}}
