"""The version of this program."""

import subprocess
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def version() -> str:
    """Return the version of the installed package, or of the checkout that it runs from."""
    try:
        return metadata.version("efsnas")
    except metadata.PackageNotFoundError:
        project = _ROOT / "pyproject.toml"
        return str(tomllib.loads(project.read_text())["project"]["version"])


@cache
def commit() -> str | None:
    """Return the commit of the checkout that this program runs from, if it runs from one.

    It ends in `-dirty` where files differ from that commit.
    """
    # Another repository around an installed package is not ours.
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
