"""What the documents say in words: links, hosts, length, folders, numbers, and nothing we do not keep."""

import re
import subprocess
from pathlib import Path

import pytest

from domain.delivery import BACKOFF
from domain.payment import TRANSITIONS
from tests.docs.pages import PAGES, ROOT, name

ADRS = sorted(ROOT.glob("docs/adr/*.md"))
# The only strangers a document may send its reader to.
HOSTS = {
    "127.0.0.1", "api", "sandbox", "shop.example.com", "pay.example.com", "sandbox.example.com",
    "temporal.example.com",
    "www.rfc-editor.org", "www.standardwebhooks.com", "keepachangelog.com", "semver.org",
    "www.apache.org", "owasp.org",
}  # fmt: skip
FORBIDDEN = re.compile(
    r"PCI.?complian|exactly.once deliver|blazing|seamless|world.class|cutting.edge"
    r"|(?<![\w.])/(?:home|root|Users)/"
    r"|[\U0001F000-\U0001FAFF\u2705\u274C\u2728\u26A0]",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_reader_is_sent_to_no_unexpected_place(page: Path) -> None:
    assert set(re.findall(r"https?://([\w.-]*\w)", page.read_text())) <= HOSTS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_words_stay_plain_and_promise_nothing_we_do_not_keep(page: Path) -> None:
    found = FORBIDDEN.search(page.read_text())
    assert found is None, found


@pytest.mark.parametrize("adr", ADRS, ids=name)
def test_a_decision_is_short_and_says_what_was_rejected(adr: Path) -> None:
    text = adr.read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {int(adr.name[:4])}. ")
    titles = re.findall("^## (.+)$", text, re.MULTILINE)
    assert titles == ["Context", "Decision", "Rejected", "Consequences"]


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(adr.name[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))


def test_the_licence_is_the_whole_one() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.split()) > 1500


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def test_the_map_names_all_folders_and_no_others() -> None:
    mapped = set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tracked.returncode != 0:
        pytest.skip("this is no checkout, so any folder may lie here")
    present = {path.split("/")[0] for path in tracked.stdout.splitlines() if "/" in path}
    assert mapped == {folder for folder in present if not folder.startswith(".")}


def test_the_guides_name_the_delays_there_are() -> None:
    units = {"s": 1, "min": 60, "h": 3600}
    guides = " ".join(" ".join(page.read_text().split()) for page in PAGES)
    sentences = re.findall(r"tried again after ([^.]*?) \(±20 %\)", guides)
    assert sentences
    for sentence in sentences:
        delays = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", sentence)]
        assert delays == [int(step.total_seconds()) for step in BACKOFF]


def test_the_table_of_states_names_every_status() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    states = page.partition("## States")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z_]{6,})`", states)) - {"TRANSITIONS"} == set(TRANSITIONS)
