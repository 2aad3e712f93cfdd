"""The repository itself: what the README and the deployment files say is there."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from backend.cli import app
from backend.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
MAX_BYTES = 500_000
PACKAGES = ("nas", "backend", "worker", "frontend")
NOT_IMPORTED = {
    "check-jsonschema": "checks docker-compose.yml",
    "celery-types": "types for mypy",
    "import-linter": "checks the direction of imports",
    "mypy": "checks types",
    "pre-commit": "runs the checks before a commit",
    "python-multipart": "FastAPI reads uploaded files with it",
    "ruff": "checks style",
    "scipy-stubs": "types for mypy",
    "types-pyyaml": "types for mypy",
}
FOLDERS = {*PACKAGES, "migrations", "tests", "benchmarks", "docs", "examples", "scripts", "deploy"}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_the_first_commands_of_the_readme_are_make_demo_and_make_test():
    first = re.search(r"```sh\n(.*?)```", README, re.DOTALL)
    assert first is not None
    assert first[1].split("\n") == ["make demo", "make test", ""]


def test_every_make_command_in_the_documents_exists():
    documents = [README, *map(text_of, (ROOT / "docs").rglob("*.md"))]
    named = {
        name for text in documents for name in re.findall(r"(?:`|^)make ([a-z]+)", text, re.M)
    }
    assert {"demo", "test"} <= named <= make_targets()


def test_every_link_of_the_documents_leads_to_a_file():
    for document in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_decision_is_listed():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\d+\. \[(.+)\]\((.+)\)$", (folder / "README.md").read_text(), re.M)
    assert [name for _, name in listed] == sorted(path.name for path in folder.glob("0*.md"))
    for number, (title, name) in enumerate(listed, start=1):
        assert (folder / name).read_text().startswith(f"# {number}. {title}\n")


def test_the_top_level_folders_are_those_of_the_design():
    assert {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT} <= {
        *FOLDERS,
        ".ci",
    }


def test_no_tracked_file_is_large():
    large = [path.name for path in tracked() if path.stat().st_size > MAX_BYTES]
    assert not large


def test_the_size_check_refuses_a_large_file(tmp_path: Path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(MAX_BYTES))
    large.write_bytes(bytes(MAX_BYTES + 1))
    script = str(ROOT / "scripts" / "check_sizes.sh")
    assert subprocess.run([script, small], check=False).returncode == 0
    refused = subprocess.run([script, small, large], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "large: 500001 bytes" in refused.stderr


def test_no_tracked_file_names_a_path_of_somebodys_machine():
    pattern = re.compile(r"(?<![\w.])/(?:home|Users|root|work|opt|mnt)/[\w.]+")
    for path in tracked():
        found = pattern.search(text_of(path))
        assert found is None, f"{path.relative_to(ROOT)}: {found[0] if found else ''}"


def test_the_locks_pin_exactly_and_name_no_address():
    for name in ("requirements.lock", "requirements-dev.lock"):
        for line in (ROOT / name).read_text().splitlines():
            assert re.fullmatch(r"#.*|-r requirements\.lock|[a-z0-9-]+==[\w.]+", line), line
    assert pins("requirements.lock")["torch"] == "2.13.0"


@pytest.mark.parametrize("group", ["dependencies", "dev"])
def test_the_locks_satisfy_the_declared_ranges(group: str):
    declared = PROJECT.get(group) or PROJECT["optional-dependencies"][group]
    pinned = pins("requirements.lock") | (pins("requirements-dev.lock") if group == "dev" else {})
    for requirement in map(Requirement, declared):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}, pinned {version}"


def test_every_dependency_is_imported_or_has_its_reason():
    found = {
        name
        for path in tracked()
        if path.suffix == ".py"
        for name in re.findall(r"^\s*(?:from|import) (\w+)", text_of(path), re.MULTILINE)
    }
    imported = {
        canonicalize_name(distribution)
        for module, distributions in packages_distributions().items()
        if module in found
        for distribution in distributions
    }
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    unused = {canonicalize_name(Requirement(text).name) for text in declared} - imported
    assert unused == set(NOT_IMPORTED)


def test_the_compose_file_fits_its_schema():
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema"]
    subprocess.run([*command, "vendor.compose-spec", ROOT / "docker-compose.yml"], check=True)


def test_every_command_of_the_compose_file_is_one_of_ours():
    ours = {
        name: service["command"]
        for name, service in COMPOSE["services"].items()
        if service.get("image", "").startswith("efsnas")
    }
    assert set(ours) == {"migrate", "api", "worker", "worker-cpu", "reaper"}
    for program, command in ours.values():
        assert program == next(iter(PROJECT["scripts"]))
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_every_setting_of_the_compose_file_exists_and_fits():
    for service in COMPOSE["services"].values():
        given = {
            name.removeprefix("EFSNAS_").lower(): value
            for name, value in service.get("environment", {}).items()
            if name.startswith("EFSNAS_")
        }
        assert given.keys() <= Settings.model_fields.keys()
        if "allowed_hosts" in given:
            given["allowed_hosts"] = json.loads(given["allowed_hosts"])
        Settings(**given)


def test_the_compose_file_publishes_on_loopback_alone():
    for service in COMPOSE["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_the_image_holds_every_package_and_the_same_version():
    dockerfile, ignored = (ROOT / "Dockerfile").read_text(), (ROOT / ".dockerignore").read_text()
    for package in (*PACKAGES, "migrations"):
        assert f"COPY {package} {package}\n" in dockerfile
        assert f"!{package}\n" in ignored
    assert COMPOSE["services"]["api"]["image"] == f"efsnas:{PROJECT['version']}"


def test_every_setting_is_documented_with_its_default():
    written = (ROOT / "docs" / "configuration.md").read_text()
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "configuration_page.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert written == made.stdout


def test_every_variable_that_the_code_reads_is_documented():
    # The tether's is handed from one process of ours to the next.
    internal = {"EFSNAS_TETHER_PARENT"}
    read = {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"EFSNAS_[A-Z_]*[A-Z]", path.read_text())
    }
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert {name for name in read - internal if f"`{name}`" not in written} == set()
