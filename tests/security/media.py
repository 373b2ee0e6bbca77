"""What is no JSON and does not say so, what says that it is no JSON, and what is packed."""

import gzip
import zlib
from typing import Final

CONTENT_TYPES: Final = (
    *[
        "json",
        "text/json",
        "text/plain",
        "text/html",
        "application/xml",
        "application/octet-stream",
        "*/*",
        "application/jsonp",
        "application/json5",
        "application/x-json",
        "application/json-seq",
        "application/ndjson",
        "application/javascript",
        "application/x-www-form-urlencoded",
        "multipart/form-data;boundary=x",
        "multipart/mixed;boundary=application/json",
        "message/http",
        "application/json,text/plain",
        "text/plain;application/json",
        "application/json;charset=utf-7",
        "application/json;charset=utf-16",
        "application/json;charset=latin-1",
        "application/json;charset=ebcdic-cp-us",
        'application/json;charset="utf-16"',
        "application/json;charset=utf-8,utf-16",
        "image/svg+xml",
        "application",
        "application/",
        "/json",
        "application/json/x",
    ],
    *("", "application/json, text/plain", "application/json; charset=utf-7", "x" * 8000),
)


# 32 MiB of white space in 32 KiB.
_BOMB: Final = gzip.compress(b" " * (32 << 20), mtime=0)


def packed(plain: bytes) -> dict[str, bytes]:
    return {
        "gzip": gzip.compress(plain),
        "x-gzip": _BOMB,
        "deflate": zlib.compress(plain),
        "br": b"\x0b\x02\x80{}\x03",
        "zstd": b"\x28\xb5\x2f\xfd\x04\x00",
        "compress": b"\x1f\x9d\x90",
        "identity": plain,
        "gzip, gzip": gzip.compress(gzip.compress(plain)),
        "identity, gzip": plain,
        "": plain,
        "canary": plain,
    }


def other_languages() -> dict[str, bytes]:
    texts = {
        "nothing but white space": " \t\r\n" * 3,
        "a form": "canary=1&userId=2",
        "XML": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "HTML": "<script>alert(1)</script>",
        "YAML": "--- !!python/object/apply:os.system ['id']",
        "TOML": 'canary = "1"',
        "serialised PHP": 'O:8:"stdClass":1:{s:1:"a";i:1;}',
        "a multipart body": '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
        "GraphQL": "{ payments { id } }",
        "a Python dictionary": "{'amount': True, 'currency': None}",
        "a template": "{{7*7}}",
        "a chunk": "5\r\nhello\r\n0\r\n\r\n",
        "a request": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    raw = {
        "MessagePack": b"\x82\xa6amount\x01\xa8currency\xa3HUF",
        "CBOR": b"\xa1\x66amount\x01",
        "a pickle": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
        "BSON": b"\x11\x00\x00\x00\x10amount\x00\x01\x00\x00\x00\x00",
        "a Java object": b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap",
        "binary zeros": b"\x00" * 1024,
        "every byte": bytes(range(256)),
    }
    return {name: text.encode() for name, text in texts.items()} | raw
