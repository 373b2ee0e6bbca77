"""The one exception by which the sandbox says no on purpose."""

TYPES = {
    400: "invalid_request",
    401: "authentication",
    402: "card_error",
    404: "not_found",
    409: "conflict",
    429: "rate_limit",
}


class Refused(Exception):
    """A request that is not granted. Whatever its transaction did is undone."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        """Keep the HTTP status, a code for programs, a sentence for people, maybe the parameter at fault."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param

    def body(self) -> dict[str, object]:
        """Lay the refusal out as every error of the API is."""
        kind = TYPES.get(self.status, "api_error")
        return {"error": {"type": kind, "code": self.code, "message": self.message}}


def invalid(message: str, code: str = "invalid_request") -> Refused:
    """Refuse what was asked because of how it was asked."""
    return Refused(400, code, message)


def missing(noun: str) -> Refused:
    """Refuse because there is no such thing, or it is another account's: the two look alike."""
    return Refused(404, "not_found", f"no such {noun}")
