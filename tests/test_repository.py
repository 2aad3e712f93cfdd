"""The repository itself: what the README and the deployment files say is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image
from pre_commit.clientlib import load_config
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
    "onnxscript": "torch converts graphs to ONNX with it",
    "pytest-xdist": "make test shares the suite among processes",
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


def test_the_readme_opens_with_what_it_is_and_one_picture_of_the_dashboard():
    opening = re.match(
        r"# (?P<name>.+)\n\n(?P<what>A server [^!`]+)\n\n"
        r"!\[(?P<shown>.+)\]\((?P<picture>.+)\)\n\n```sh\nmake demo\n",
        README,
    )
    assert opening is not None
    assert "neural architecture\nsearch" in opening["what"]
    assert "dashboard" in opening["shown"]
    assert README.count("![") == 1
    with Image.open(ROOT / opening["picture"]) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) >= 1000


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


def lint_commands() -> set[str]:
    """The commands of `make lint`, but for the loop over shell scripts, as typed in a shell."""
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert recipe is not None
    lines = recipe[1].replace("$(BIN)", ".venv/bin").splitlines()
    return {line.strip() for line in lines if not line.startswith("\t@for")}


def hooks() -> dict[str, str]:
    """Each hook's command by its id, from a configuration that pre-commit itself accepts."""
    (repository,) = load_config(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    return {hook["id"]: hook["entry"] for hook in repository["hooks"]}


def test_pre_commit_runs_the_checks_of_make_lint_and_that_of_sizes():
    # Where `make lint` names files, pre-commit appends those that have changed.
    checks = {
        command.removesuffix(" .").removesuffix(" docker-compose.yml")
        for command in lint_commands()
    }
    assert set(hooks().values()) == {*checks, "scripts/check_sizes.sh"}
    for entry in hooks().values():
        program = ROOT / entry.split()[0]
        assert os.access(program, os.X_OK), program


def test_pre_commit_refuses_bad_style_and_large_files(tmp_path: Path):
    repository = tmp_path / "repository"
    shutil.copytree(ROOT / "scripts", repository / "scripts")
    shutil.copy(ROOT / ".pre-commit-config.yaml", repository)
    (repository / ".venv").symlink_to(sys.prefix)
    contents = {
        "good.py": b"ONE = 1\n",
        "unused.py": b"import os\n",
        "spaced.py": b"ONE  =  1\n",
        "large.bin": bytes(MAX_BYTES + 1),
    }
    for name, content in contents.items():
        (repository / name).write_bytes(content)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # The whole of the code would take the others too long, and is not here.
    elsewhere = sorted(hooks().keys() - {"ruff-check", "ruff-format", "large-files"})
    environment = plain | {"PRE_COMMIT_HOME": str(tmp_path / "home"), "SKIP": ",".join(elsewhere)}

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=repository,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    for command in (["git", "init", "--quiet"], ["git", "add", "--", *contents]):
        assert run(*command).returncode == 0
    refusals = {
        "good.py": set(),
        "unused.py": {"ruff-check"},
        "spaced.py": {"ruff-format"},
        "large.bin": {"large-files"},
    }
    for name, refused in refusals.items():
        done = run(sys.executable, "-m", "pre_commit", "run", "--files", name)
        assert set(re.findall(r"^- hook id: (.+)$", done.stdout, re.M)) - {*elsewhere} == refused
        assert (done.returncode == 0) == (not refused), done.stdout


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


def test_the_compose_file_has_the_services_of_a_team():
    services = COMPOSE["services"]
    optional = {
        name: service["profiles"] for name, service in services.items() if "profiles" in service
    }
    assert optional == {"worker-cpu": ["cpu"], "flower": ["flower"], "prometheus": ["prometheus"]}
    assert services.keys() - optional.keys() == {
        "postgres",
        "redis",
        "migrate",
        "api",
        "worker",
        "reaper",
    }
    for name in ("postgres", "redis", "flower", "prometheus"):
        assert name in services[name]["image"]
    assert [name for name, service in services.items() if "deploy" in service] == ["worker"]
    (device,) = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert device["count"] >= 1
    assert services["worker"]["environment"]["EFSNAS_DEVICE"] == "cuda"


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


def copied_into_the_image() -> list[str]:
    """What the Dockerfile copies: files, and folders of packages."""
    lines = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    return [name for line in lines for name in line.split()]


def test_ci_runs_the_commands_of_the_compose_file_against_its_services():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    started = lines.index("start_services")
    check = lines.index(".venv/bin/python scripts/compose_as_processes.py")
    assert "set -euo pipefail" in lines[:started]
    assert started < check


@pytest.mark.slow
def test_the_installed_image_holds_every_file_of_the_packages_and_works(tmp_path: Path):
    source, installed = tmp_path / "app", tmp_path / "installed"
    kept = [path.relative_to(ROOT) for path in tracked()]
    for path in kept:
        if path.parts[0] in copied_into_the_image():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, source / path)
    # As in the Dockerfile: setuptools comes from the lock, nothing from the network.
    install = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--no-compile",
    ]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, *install, "--target", installed, source], check=True)
    files = {path for path in kept if path.parts[0] in (*PACKAGES, "migrations")}
    assert {path.suffix for path in files} >= {".py", ".yaml", ".json", ".mako", ".css", ".js"}
    assert not {path for path in files if not (installed / path).is_file()}
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "EFSNAS_HOME": str(tmp_path / "home"),
    }
    code = "import backend.cli as cli; print(cli.__file__); cli.app(['migrate'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed))
    assert (tmp_path / "home" / "efsnas.sqlite3").is_file()


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
