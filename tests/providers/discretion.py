"""What may be seen of an account's secrets: nothing, anywhere."""

from collections.abc import Iterator

from tests.providers.case import Case


def check_discreet(case: Case, text: str, where: str) -> None:
    for secret in case.canaries:
        assert secret not in text, f"{case.provider.name}: a secret is in {where}"


def told_by(error: BaseException) -> str:
    """All that an exception shows, and what led to it. A printed traceback adds lines of code to that."""
    return "\n".join(f"{one!r} {one} {one.args!r} {vars(one)!r}" for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
