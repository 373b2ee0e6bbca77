"""Which addresses of the outside world a tenant may make us call: public ones, spelt in one way only.

Readers of URLs and addresses disagree on odd spellings, and an attacker lives in the disagreement; so an odd
spelling is refused rather than understood. Names are checked again at each connection, in
``activities.outbound``, because a name can come to mean another address.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from domain.errors import ValidationFailed
from domain.text import check_url

Address = IPv4Address | IPv6Address

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

# IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast and class E; and Azure's host agent,
# a public address that only ever answers the machine asking.
_SPECIAL_IPV4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Everything that is routed on the Internet is below 2000::/3 (RFC 4291): mapped, NAT64, local, link-local and
# multicast addresses are not. Inside it: IETF protocols with Teredo, documentation, 6to4, AS112.
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_SPECIAL_IPV6 = tuple(
    IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)

# A host of ASCII labels with at least one dot, the last one beginning with a letter: browsers and resolvers
# take a host whose last label begins with a digit for an address, like 127.1, 0177.0.0.1 and 0x7f.1.
_NAME = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_HTTPS = 443
# Below are the ports of the system's services (RFC 6335): mail, remote shells, directories.
_FIRST_FREE_PORT = 1024
_NEVER_PUBLIC = (".localhost", ".local", ".internal", ".home.arpa", ".onion")


def is_public(address: Address) -> bool:
    """Whether ``address`` is one anybody on the Internet reaches alike. When in doubt: no."""
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _SPECIAL_IPV4)
    if address.scope_id is not None or address not in _GLOBAL_IPV6:
        return False
    return not any(address in net for net in _SPECIAL_IPV6)


def is_allowed(host: str, address: Address, *, development: bool) -> bool:
    """Whether ``host`` may mean ``address``; in development a local host may mean this machine."""
    return is_public(address) or (development and host in LOCAL_HOSTS and address.is_loopback)


def check_webhook_url(url: str, *, development: bool, pointer: str = "/url") -> str:
    """Return ``url`` itself, if its text alone shows no reason against calling it; else ValidationFailed.

    It is https, or in development also http to this very machine; it names a public address in the usual
    spelling or a dotted ASCII name, and the port of no other service. Nothing is looked up here. ``pointer``
    is where an error says it was.
    """
    try:
        parts = urlsplit(check_url(url))
    except ValueError as error:
        raise ValidationFailed(errors=((pointer, str(error)),)) from None
    host = parts.hostname or ""
    local = development and host in LOCAL_HOSTS
    if parts.scheme != "https" and not local:
        raise ValidationFailed(errors=((pointer, "an https URL is needed"),))
    if not local and not _looks_public(host, bracketed="[" in parts.netloc):
        raise ValidationFailed(errors=((pointer, "the host is not a public one"),))
    if not local and parts.port is not None and parts.port < _FIRST_FREE_PORT and parts.port != _HTTPS:
        raise ValidationFailed(errors=((pointer, "the port is that of another service"),))
    return url


def _looks_public(host: str, *, bracketed: bool) -> bool:
    try:
        return is_public(ip_address(host))
    except ValueError:
        return not bracketed and bool(_NAME.fullmatch(host)) and not host.endswith(_NEVER_PUBLIC)
