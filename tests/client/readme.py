"""The examples of the client's README, which is followed from its first line by tests/docs."""

from tests.docs.pages import ROOT, blocks


def examples() -> list[str]:
    """What a reader would paste, in order."""
    page = blocks(ROOT / "client/README.md")
    return [block.code for block in page if block.language == "python" and not block.hidden]
