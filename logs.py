"""How to log: what every root sets up before it can do anything, and what never gets into a line."""

import base64
import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import structlog
from opentelemetry import trace
from pydantic import SecretStr

from settings import Settings

_SECRET_SHAPED = re.compile(
    r"""whsec_[\w+/=-]+ | pss_[\w-]+ | [rs]k_\w+ | adm_[\w-]+
    | eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?             # a token, also one whose signature was cut off
    | (?<=://)[^/@\s:"']*:[^@\s"']+(?=@)             # user:password in an address
    | (?i:(?<=bearer\ )|(?<=basic\ ))[\w.~+/-]{8,}=*
    | (?<=[?&]token=)[\w.%-]+
    | (?<=-----BEGIN\ PRIVATE\ KEY-----)[^-]+""",
    re.VERBOSE,
)
_CARD_SHAPED = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
# Whatever has such a name is nobody's to read, whatever it looks like.
_SECRET_NAMED = re.compile(
    r"(?:^|[^a-z])(?:pass(?:word|wd|phrase)?|secrets?|tokens?|authorization|cookies?|(?:api|admin|private|signing"
    r"|vault|audit|platform|data)[_-]?keys?|signatures?|credentials?)$",
    re.IGNORECASE,
)
_DEEPEST = 8
# What is shorter may be a word like any other.
_TELLING = 8
_known: tuple[str, ...] = ()
"""This process's own secrets and their usual spellings, for what no shape gives away."""


def redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out whatever looks, is named or is known as a secret or a card number, wherever it stands."""
    for name, value in line.items():
        # What structlog keeps for itself is never shown; the event is a sentence of ours.
        if not name.startswith("_"):
            line[name] = _named(name, value, _DEEPEST)
    return line


def _named(name: object, value: object, depth: int) -> object:
    hidden = isinstance(name, str) and _SECRET_NAMED.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    return "[secret]" if hidden and not isinstance(value, bool | int | None) else _clean(value, depth)


def _clean(value: object, depth: int) -> object:
    """The value as it may be shown: text, numbers, and lists and mappings of them."""
    if value is None or isinstance(value, bool | int | float):
        return value if _CARD_SHAPED.fullmatch(str(value)) is None else "[digits]"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth == 0:
            return "[too deep]"
        if isinstance(value, Mapping):
            return {_blotted(str(name)): _named(name, each, depth - 1) for name, each in value.items()}
        return [_clean(each, depth - 1) for each in value]
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value).decode("utf-8", "backslashreplace")
    return _blotted(value if isinstance(value, str) else repr(value))


def _blotted(words: str) -> str:
    for secret in _known:
        if secret in words:
            words = words.replace(secret, "[secret]")
    return _CARD_SHAPED.sub("[digits]", _SECRET_SHAPED.sub("[secret]", words))


def _of_trace(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say which trace a line belongs to, where there is one."""
    here = trace.get_current_span().get_span_context()
    if here.is_valid:
        line["trace_id"], line["span_id"] = f"{here.trace_id:032x}", f"{here.span_id:016x}"
    return line


def _spellings(settings: Settings) -> Iterator[str]:
    """What this process was told in confidence, as it is and as it may turn up in an address or a dump."""
    for value in settings.__dict__.values():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, SecretStr):
                plain = each.get_secret_value()
                password = urlsplit(plain).password if "://" in plain else None
                for secret in filter(None, (plain, password, unquote(password or ""))):
                    yield from (secret, quote(secret, safe=""), secret.encode().hex(), repr(secret)[1:-1])
                    yield base64.b64encode(secret.encode()).decode().rstrip("=")
                    with suppress(ValueError):
                        yield base64.b64decode(secret, validate=True).hex()


def configure_logging(settings: Settings) -> None:
    """One JSON object a line on stderr, the standard library's loggers included."""
    global _known  # noqa: PLW0603 - one process, one set of secrets, as there is one root logger
    # The longest first: what is left of one must not be what another was looked for by.
    known = sorted({each for each in _spellings(settings) if len(each) >= _TELLING}, key=len, reverse=True)
    _known = tuple(known)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
        # After it: to whoever looks for cards' digits, one id of two thousand is one.
        _of_trace,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    lines: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, lines],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    # Libraries write whole requests and rows at DEBUG, payers' addresses among them.
    for chatty in ("httpx", "httpcore", "uvicorn.access", "dodopayments", "stripe", "sqlalchemy", "asyncpg"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # What would else be written past all of this, as it is.
    logging.captureWarnings(capture=True)
    sys.excepthook = _last_words


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger(__name__).critical("died", exc_info=(kind, error, trace))
