# Derived from _async/session.py by client/derive.py: change that one.
"""One conversation with the platform: the token is kept fresh, and what failed is asked again."""

import copy
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

import httpx
from pydantic import BaseModel

from paysaga_client.errors import NetworkError, PaysagaError
from paysaga_client.models.tenancy import AccessToken
from paysaga_client.retry import Retry
from paysaga_client.wire import USER_AGENT, Call, read, refusal_of

A = TypeVar("A", bound=BaseModel)
log = logging.getLogger("paysaga_client")

_BEFORE_EXPIRY: Final = 60.0
_OF_ITS_LIFE: Final = 0.1


@dataclass(frozen=True)
class Login:
    """Who the client is. What holds a secret or token hides it from ``repr``, which tracebacks show."""

    app_name: str
    app_secret: str = field(repr=False)

    @property
    def body(self) -> dict[str, str]:
        return {"appName": self.app_name, "appSecret": self.app_secret}


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    good_until: float


class Session:
    """Sends calls, as the tenant. Safe to share between tasks and threads of one process.

    However many ask at once, there is one login at a time, and all wait for that one.
    """

    def __init__(
        self,
        http: httpx.Client,
        base_url: str,
        login: Login,
        *,
        retry: Retry,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.app_name = login.app_name
        self.clock = clock
        self.sleep = sleep
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._login = login
        self._retry = retry
        self._kept: _Token | None = None
        self._lock = threading.Lock()
        self._logins = 0
        self._failure: PaysagaError | None = None

    def ask(self, call: Call, answer: type[A]) -> A:
        """The platform's answer to this call. Raises ``PaysagaError``."""
        return read(self.fetch(call), answer)

    def fetch(self, call: Call) -> httpx.Response:
        """The answer as it came, if it is a yes. Raises ``PaysagaError``.

        A token that is not accepted any more is replaced, once: it was revoked, or its time was up early.
        """
        token = self._token()
        response, lost = self._persist(call, token)
        if response.status_code == 401:
            response, lost = self._persist(call, self._token(unlike=token))
        if response.is_success:
            return response
        if lost and call.method == "DELETE" and response.status_code == 404:
            # The try whose answer was lost has done it.
            return response
        raise refusal_of(response)

    # --- The token --------------------------------------------------------------------------------

    def _token(self, unlike: _Token | None = None) -> _Token:
        """A token that is good for a while, and another one than ``unlike``."""
        kept, seen = self._good(unlike), self._logins
        if kept is not None:
            return kept
        with self._lock:
            kept = self._good(unlike)
            if kept is not None:
                return kept
            if self._failure is not None and self._logins != seen:
                # Whoever waited for a login that failed would only wait for the next one to fail.
                raise copy.copy(self._failure)
            try:
                self._kept, self._failure = self._logged_in(), None
            except PaysagaError as failure:
                self._failure = failure
                raise
            finally:
                self._logins += 1
            return self._kept

    def _good(self, unlike: _Token | None) -> _Token | None:
        kept = self._kept
        return None if kept is None or kept is unlike or self.clock() >= kept.good_until else kept

    def _logged_in(self) -> _Token:
        began = self.clock()
        call = Call("POST", "/v1/tenants/login", body=self._login.body, harmless=True)
        response, _ = self._persist(call, None)
        if not response.is_success:
            raise refusal_of(response)
        answer = read(response, AccessToken)
        margin = min(_BEFORE_EXPIRY, _OF_ITS_LIFE * answer.expires_in)
        return _Token(answer.access_token, began + answer.expires_in - margin)

    # --- The wire ---------------------------------------------------------------------------------

    def _persist(self, call: Call, token: _Token | None) -> tuple[httpx.Response, bool]:
        """The answer that stands after all tries, and whether an earlier one may have been carried out."""
        request_id = uuid.uuid4().hex
        began, failures, lost = self.clock(), 0, False
        while True:
            outcome = self._try(call, token, request_id)
            if isinstance(outcome, httpx.Response) and outcome.status_code < 400:
                return outcome, lost
            failures += 1
            elapsed = timedelta(seconds=self.clock() - began)
            pause = self._retry.pause_after(outcome, failures, elapsed, repeatable=call.repeatable)
            if pause is None:
                break
            lost = lost or not isinstance(outcome, httpx.Response) or outcome.status_code >= 500
            log.info("%s %s: %s, again in %s", call.method, call.path, _told(outcome), pause)
            self.sleep(pause.total_seconds())
        if isinstance(outcome, httpx.Response):
            return outcome, lost
        # Not "from": httpx's exception holds the request, and that holds a token or the secret.
        raise NetworkError(f"no answer: {_told(outcome)}", request_id=request_id, attempts=failures)

    def _try(self, call: Call, token: _Token | None, request_id: str) -> httpx.Response | httpx.RequestError:
        request = self._http.build_request(
            call.method,
            self._base_url + call.path,
            params=call.parameters or None,
            json=call.body,
            headers={"User-Agent": USER_AGENT, "X-Request-Id": request_id, **call.headers},
        )
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token.value}"
        try:
            return self._http.send(request)
        except httpx.RequestError as error:
            return error


def _told(outcome: httpx.Response | httpx.RequestError) -> str:
    if isinstance(outcome, httpx.Response):
        return f"status {outcome.status_code}"
    return f"{type(outcome).__name__} {outcome}".strip()
