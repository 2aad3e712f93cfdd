"""Write requirements.lock and requirements-dev.lock from what is installed beside this script.

    .venv/bin/python -m pip install --upgrade -e '.[dev]' && .venv/bin/python scripts/lock.py

The files name exact versions and nothing else: no hashes and no addresses, so that a machine may
bring its own build of torch. Run it on Linux with the oldest Python that is supported.
"""

import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEADER = "# Written by scripts/lock.py; edit pyproject.toml instead.\n"


def closure(requirements: list[Requirement]) -> dict[str, str]:
    """Return name and public version of everything that `requirements` need here, themselves too.

    Raises:
        PackageNotFoundError: if one of them is not installed.
        ValueError: if the installed version is not one that is asked for.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    pending = [(requirement, "") for requirement in requirements]
    while pending:
        requirement, extra = pending.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        installed = distribution(requirement.name)
        if not requirement.specifier.contains(installed.version, prereleases=True):
            raise ValueError(f"{requirement} is needed, {installed.version} is installed")
        name = canonicalize_name(requirement.name)
        # The local part (+cpu) says which build it was, which is each machine's own choice.
        found[name] = installed.version.partition("+")[0]
        for wanted in {"", *requirement.extras} - {extra for key, extra in seen if key == name}:
            seen.add((name, wanted))
            pending += [(Requirement(text), wanted) for text in installed.requires or ()]
    return found


def lines(versions: dict[str, str]) -> str:
    """Return one exact requirement per line, ascending."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def main() -> None:
    """Write both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = closure([Requirement(text) for text in project["dependencies"]])
    developing = project["optional-dependencies"]["dev"]
    extra = closure([Requirement(text) for text in developing]).items() - needed.items()
    (ROOT / "requirements.lock").write_text(HEADER + lines(needed))
    (ROOT / "requirements-dev.lock").write_text(
        HEADER + "-r requirements.lock\n" + lines(dict(extra))
    )


if __name__ == "__main__":
    main()
