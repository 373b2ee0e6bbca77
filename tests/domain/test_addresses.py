"""A tenant's URL leads to the public Internet, or it is refused by its looks alone."""

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import check_webhook_url, is_public
from domain.errors import ValidationFailed

SPECIAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1", "192.88.99.1", "192.168.1.1", "192.175.48.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1",
    "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
    "2002:808:808::1",
    "2620:4f:8000::1", "3fff::1", "5f00::1", "4000::1", "2606:4700::1111%eth0",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "168.63.129.17", "223.255.255.255",
    "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1",
]  # fmt: skip


@pytest.mark.parametrize("text", SPECIAL)
def test_a_special_address_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_an_ordinary_address_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_local(address: object) -> None:
    judged = ip_address(str(address))
    if (
        judged.is_private
        or judged.is_loopback
        or judged.is_link_local
        or judged.is_multicast
        or judged.is_reserved
    ):
        assert not is_public(judged)


HOSTILE_URLS = [
    *(f"https://{text}/" for text in SPECIAL if ":" not in text),
    *(f"https://[{text}]/" for text in SPECIAL if ":" in text),
    "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://127.1/", "https://127.0.1/", "https://0/", "https://127.0.0.0x1/", "https://127.0.0.01/",
    "https://1.2.3.4.5/",
    "https://127.0.0.1./", "https://localhost/", "https://localhost./", "https://LOCALHOST/",
    "https://a.localhost/",
    "https://hook.example.com./", "https://metadata/", "https://metadata.google.internal/",
    "https://printer.local/",
    "https://router.home.arpa/", "https://x.onion/", "https://127。0。0。1/", "https://１２７.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://127.0.0.1%00.example.com/", "https://127.0.0.1%2eexample.com/", "https://[::1%25lo]/",
    "https://[v1.a]/",
    "https://user@hook.example.com/", "https://user:pass@127.0.0.1/", "https://@hook.example.com/",
    "https://a..com/",
    "https://-a.com/", "https://a-.com/", "https://.com/", "https://hook.example.com:0/",
    "https://hook.example.com:99999/", "https://hook.example.com:22/", "https://8.8.8.8:25/",
    "https://hook.example.com:x/", "https://hook.example.com\\@127.0.0.1/", "https://hook.example.com /",
    "https:// /",
    "https:///x", "https:hook.example.com", "//hook.example.com/", "http://hook.example.com/",
    "HTTP://8.8.8.8/",
    "ftp://hook.example.com/", "file:///etc/passwd", "gopher://8.8.8.8/", "unix:///tmp/x",
    "https+unix://x/", "",
    "https://hook.example.com/\r\nX: y", "https://hook.example.com/\0", "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
]  # fmt: skip


THIS_MACHINE = {"https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://LOCALHOST/"}


@pytest.mark.parametrize(
    ("url", "development"),
    [(url, False) for url in HOSTILE_URLS] + [(url, True) for url in HOSTILE_URLS if url not in THIS_MACHINE],
)
def test_a_hostile_url_is_refused_by_its_looks(url: str, development: bool) -> None:  # noqa: FBT001
    with pytest.raises(ValidationFailed) as refused:
        check_webhook_url(url, development=development)
    assert [pointer for pointer, _ in refused.value.errors] == ["/url"]


@pytest.mark.parametrize(
    "url",
    ["https://hook.example.com/x?y=z", "https://hook.example.com:8443/", "HTTPS://Hook.Example.COM",
     "https://8.8.8.8/",
     "https://[2606:4700:4700::1111]:443/", "https://xn--pld-bma.hu/", "https://a_b.example.co",
     "https://1.example.com/"],
)  # fmt: skip
def test_a_public_url_is_kept_as_it_is(url: str) -> None:
    assert check_webhook_url(url, development=False) == url


@pytest.mark.parametrize(
    "url", ["http://localhost:3000/hook", "http://127.0.0.1:1/", "http://[::1]:1/", "https://localhost/"]
)
def test_development_opens_this_very_machine_and_nothing_else(url: str) -> None:
    assert check_webhook_url(url, development=True) == url
    with pytest.raises(ValidationFailed):
        check_webhook_url(url, development=False)


def test_an_error_points_where_the_caller_says() -> None:
    with pytest.raises(ValidationFailed) as refused:
        check_webhook_url("http://x", development=False, pointer="/webhookUrl")
    assert refused.value.errors[0][0] == "/webhookUrl"


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    for url in (text, f"https://{text}/", f"https://[{text}]/"):
        with contextlib.suppress(ValidationFailed):
            check_webhook_url(url, development=False)
