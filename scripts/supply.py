"""What the product is made of, and what is known against it: ``make sbom`` and ``make audit``.

Both start from requirements.lock, where each package stands with its hashes and with whoever asked for it.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = PROJECT / "requirements.lock"
CLEAN, VULNERABLE, NOT_CHECKED = 0, 1, 3

_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_BY: Final = re.compile(r"^\s+#(?:\s+via)?\s+(?!via$)(\S.*)$")
_US: Final = "paysaga (pyproject.toml)"
"""How the lock names the product; its development groups have a colon after the file's name."""


def normalized(name: str) -> str:
    """One spelling of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for_by(lock: str) -> dict[str, set[str]]:
    """Who asked for each package of a lock, as its comments tell."""
    wanted: dict[str, set[str]] = {}
    name = ""
    for line in lock.splitlines():
        if pinned := _PINNED.match(line):
            name = normalized(pinned[1])
            wanted.setdefault(name, set())
        elif name and (by := _BY.match(line)):
            wanted[name].add(by[1] if by[1].startswith("paysaga") else normalized(by[1]))
    return wanted


def shipped(lock: str) -> set[str]:
    """The packages that the product needs when it runs; the rest of the lock builds and tests it."""
    wanted = asked_for_by(lock)
    found = {name for name, by in wanted.items() if _US in by}
    while more := {name for name, by in wanted.items() if by & found} - found:
        found |= more
    return found


def sbom(to: Path) -> int:
    """Write CycloneDX 1.6 with licences; what only builds and tests has the scope ``excluded``."""
    made = _run("cyclonedx_py", "environment", "--pyproject", str(PROJECT / "pyproject.toml"),
                "--output-reproducible", sys.executable)  # fmt: skip
    if made.returncode != 0:
        print(made.stderr, file=sys.stderr)
        return made.returncode
    bill = json.loads(made.stdout)
    ours = shipped(LOCK.read_text())
    for part in bill["components"]:
        part["scope"] = "required" if normalized(part["name"]) in ours else "excluded"
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    print(
        f"{to}: {len(ours)} packages are shipped, {len(bill['components']) - len(ours)} only build and test"
    )
    return CLEAN


def audit() -> int:
    """Ask the index for known holes in what is locked; what could not be asked about is no good news."""
    asked = _run("pip_audit", "-r", str(LOCK), "--disable-pip", "--require-hashes",
                 "--progress-spinner", "off", "--format", "json")  # fmt: skip
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        print("NOT CHECKED: pip-audit gave no report.\n" + asked.stderr[-600:], file=sys.stderr)
        return NOT_CHECKED
    return judged(packages)


def judged(packages: Sequence[Mapping[str, Any]]) -> int:
    """Say what a report of pip-audit means. Its own exit code is 0 when it could ask about nothing at all."""
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    holes = [(each, hole) for each in packages for hole in each.get("vulns", ())]
    for each, hole in holes:
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {hole['id']}, fixed in {fixed}")
    if holes:
        return VULNERABLE
    if skipped or not packages:
        print(f"NOT CHECKED: {len(skipped)} of {len(packages)} packages. Is the index out of reach?")
        return NOT_CHECKED
    print(f"{len(packages)} packages, nothing known against them")
    return CLEAN


def _run(*module: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own tools, our own arguments
        [sys.executable, "-m", *module], capture_output=True, text=True, cwd=PROJECT, check=False
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["sbom", "audit"])
    parser.add_argument("--to", type=Path, default=PROJECT / "dist" / "sbom.json", help="of the SBOM")
    chosen = parser.parse_args()
    return audit() if chosen.command == "audit" else sbom(chosen.to)


if __name__ == "__main__":
    sys.exit(main())
