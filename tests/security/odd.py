"""Pieces of requests that nobody should send: keys, passes, lines of header, names in paths, and targets."""

from typing import Final

# For Idempotency-Key: none of them is printable ASCII of 1 to 255 characters.
KEYS: Final = {
    "a tab": b"a\tb",
    "a control": b"a\x01b",
    "DEL": b"a\x7fb",
    "a bare CR": b"a\rb",
    "latin 1": b"caf\xe9",
    "UTF-8": "é".encode(),
    "half a character": b"\xc3",
    "256 letters": b"k" * 256,
    "20 KiB": b"k" * 20_480,
    "NUL": b"a\x00b",
    "nothing but spaces": b"    ",
}

# For Authorization.
NO_PASS: Final = (
    *(
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"Bearer null",
        b"Bearer undefined",
        b"Bearer {}",
        b"Bearer ..",
    ),
    *(b"Bearer a.b.c", b"Bearer " + b"a" * 20_000, b"Bearer " + b"." * 10_000, b"Bearer \xff\xfe", b"\x00"),
    *(b"Basic YWRtaW46YWRtaW4=", b"Basic %%%", b"Basic " + b"A" * 9000, b"Digest username=admin"),
    *(b"Negotiate YII=", b"bearer", b"Token canary", b"canary", b"Bearer canary, Bearer canary"),
    *(b"AWS4-HMAC-SHA256 Credential=canary", b"Bearer eyJhbGciOiJub25lIn0.e30.", b"Bearer a b c"),
    *(b"Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA", b"Bearer eyJ9.eyJ9.", b"Bearer " + b"eyJhbGciOiJ9." * 400),
)

# Lines that other servers heed: here the answer is what it would be without them.
HARMLESS: Final = {
    "a method to override": b"X-HTTP-Method-Override: DELETE",
    "another method to override": b"X-Method-Override: DELETE\r\nX-HTTP-Method: DELETE",
    "another path": b"X-Original-URL: /v1/tenants/canary\r\nX-Rewrite-URL: /canary",
    "another host": b"X-Forwarded-Host: canary.example\r\nX-Host: canary.example",
    "another address": b"X-Forwarded-For: 127.0.0.1, canary\r\nX-Real-IP: 127.0.0.1",
    "forwarded": b'Forwarded: for="[::1]";host=canary.example;proto=https;by=_canary',
    "another scheme": b"X-Forwarded-Proto: javascript",
    "another port": b"X-Forwarded-Port: 99999",
    "a prefix": b"X-Forwarded-Prefix: /canary\r\nX-Script-Name: /canary",
    "ranges": b"Range: bytes=0-0,-1,5-",
    "thousands of ranges": b"Range: bytes=" + b"0-," * 4000 + b"0-",
    "a range of another unit": b"Range: canary=0-9",
    "what is accepted": b"Accept: canary/*;q=9, ../../etc/passwd",
    "no encoding": b"Accept-Encoding: identity;q=0, *;q=0",
    "another language": b"Accept-Language: ../../../etc/passwd, " + b"x-canary," * 500,
    "cookies": b"Cookie: " + b"a=canary; " * 800,
    "an origin": b"Origin: https://canary.example",
    "no origin": b"Origin: null\r\nSec-Fetch-Site: cross-site",
    "an upgrade": b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "a websocket": b"Upgrade: websocket\r\nSec-WebSocket-Key: x",
    "conditions": b"If-Match: *\r\nIf-None-Match: canary\r\nIf-Modified-Since: canary",
    "a referrer": b"Referer: javascript:alert('canary')",
    "a shell": b"User-Agent: () { :; }; echo canary",
    "a lookup": b"User-Agent: ${jndi:ldap://localhost/canary}",
    "traces": b"traceparent: 00-canary-canary-99\r\nbaggage: " + b"a=canary," * 300,
    "hops": b"Max-Forwards: -1\r\nVia: canary",
    "an expectation without a body": b"Expect: 100-continue",
    "a hostile request id": b"X-Request-Id: <canary>",
    "a long request id": b"X-Request-Id: " + b"canary" * 1000,
    "two request ids": b"X-Request-Id: <canary>\r\nX-Request-Id: a",
    "raw bytes": b"X-Raw: \x80\xff\xfe",
}

# In the place of a name, none of them being one: as it stands on the wire, parted by white space.
NAMES: Final = (
    *rb"""
    %00 x%00y %0d%0aSet-Cookie:canary %0a %09 %7f %1b%5b2J %u0000 % %% %zz
    .. ../me ..; ..%5c ..%2f..%2flivez %2e%2e %2e%2e%2f%2e%2e%2fv1 %252e%252e%252f %2f a%2fb %2f%2f // /
    %5c a\b ..\.. ; x;y=z x;canary %3b %3f %23 ? # a#b * ~ ' " < > ` | ^ + @ , ! = & : {} [] ()
    %c0%af %c0%ae%c0%ae%c0%af %e0%80%af %ff %80 %ed%a0%80 %f4%90%80%80 %e2%80%ae %e2%80%8b %a0 %20 %EF%BC%8E
    %27%20OR%201=1-- %22 $where %7b%7d %24%7b7*7%7d %7b%7b7*7%7d%7d %3cscript%3ecanary
    null undefined NaN None -1 0 1e999 true me self x:80 user@canary http://canary.example/
    http:%2f%2fcanary.example __proto__ constructor %5f%5fclass%5f%5f
    """.split(),
    *(b"x" * 1000, b"x" * 8000, b"%41" * 2000, b"9" * 400, b"\xff", b"\x80", b"\xc0\xaf", b"a b", b"a\tb"),
    *("é".encode(), "😀".encode(), "．．／".encode(), "\u202e".encode(), b"pay_" + b"0" * 26),
)

# Whole targets: nothing of ours is there, whatever another server would make of them.
TARGETS: Final = (
    *rb"""
    //v1/tenants/me ///canary.example/.. /v1//tenants/me /v1/tenants//me /v1/tenants/me/ /v1/./tenants/me
    /v1/x/../tenants/me /v1/x/%2e%2e/tenants/me /v1/%2e/tenants/me \v1\tenants\me /v1\tenants\me
    /V1/tenants/me /v1/TENANTS/me /v1/tenants/me;x=y /v1;/tenants/me /..;/v1/tenants/me /v1/tenants/me%00
    /v1/tenants/me%20 /v1/tenants/me. /v1/tenants/me.json /v1/tenants/me~ /v1/tenants/me%2f
    /v1/tenants/me%3fx /v1/tenants/me%23
    /v1%2ftenants%2fme /v1/tenants%2Fme /v1/%74enants%2fme /v1%252ftenants%252fme
    /%2e%2e/etc/passwd /../../etc/passwd /docs/assets/../../settings.py /docs/assets/..%2f..%2fsettings.py
    /docs/assets/%2e%2e/%2e%2e/settings.py /docs/assets/....//settings.py /docs/assets//etc/passwd
    /docs/assets/%2fetc%2fpasswd /docs/assets/\..\x /docs/assets/ /docs/assets/%00 /docs/assets/x%ff
    /.git/config /.env /settings.py /server-status /actuator/env /wp-login.php /admin /debug v1/tenants/me ? #
    """.split(),
    *(b"/v1/" + b"a/" * 3000, b"/" + b"%2e" * 2000, b"/" + b"%" * 2000, b"", b"/?" + b"a=b&" * 3000),
)
