import re
import shutil
import subprocess
import sys
from pathlib import Path

from backend.system import version


def told(root: Path) -> str:
    """What a copy of the program says that lies at `root`."""
    copy = root / "backend" / "system"
    copy.mkdir(parents=True, exist_ok=True)
    for package in (copy, copy.parent):
        (package / "__init__.py").touch()
    shutil.copy(version.__file__, copy / "version.py")
    code = "from backend.system.version import commit; print(commit())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def test_the_commit_is_that_of_the_checkout_and_says_when_files_differ(tmp_path: Path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("as committed")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    git(tmp_path, "tag", "v1")
    found = told(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", found)
    (tmp_path / "file").write_text("changed")
    assert told(tmp_path) == f"{found}-dirty"


def test_an_installed_package_inside_somebody_elses_repository_has_no_commit(tmp_path: Path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("theirs")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "theirs")
    assert told(tmp_path / "site-packages") == "None"
