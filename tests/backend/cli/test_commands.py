import os
import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from PIL import Image

from backend.benchmarks.service import add_benchmark
from backend.db import Database
from backend.models import Correlation, SearchSpace, TelemetryRow, Unit
from backend.references import get
from backend.runs import service
from nas.benchmarks.table import Entry, GroundTruth
from nas.spec import RunSpec
from tests.backend.cli.commands import run_command
from tests.backend.conftest import CONV, POOL, SKIP
from tests.nas.data.archives import cifar10, folder, imagenet16, tar
from tests.ranked import stored_correlation
from tests.support import wait_until


@pytest.fixture
def spec_file(tmp_path: Path, spec: dict) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def test_a_spec_is_submitted_listed_and_shown(server: str, spec_file: Path):
    submitted = run_command("submit", spec_file)
    assert submitted.exit_code == 0
    assert f"Run 1 is queued: {server}/ui/runs/1" in submitted.output
    listed = run_command("runs")
    assert re.search(r"1 .*first .*queued .*digits-mini@1", listed.output)
    assert "first" not in run_command("runs", "--state", "failed").output
    shown = run_command("show", 1)
    assert "Run 1 is queued, 0% done." in shown.output
    assert "No worker slot has reported" in shown.output
    assert re.search(r"partition .*ready .*0/1", shown.output)
    assert re.search(r"unit .*state .*progress .*times claimed .*owner", shown.output)
    assert "0.800 (2 seeds)" in shown.output


def test_a_run_is_shown_with_the_speed_and_the_useful_time_of_its_units(
    server: str, stocked: Database, spec: dict
):
    with stocked.unit_of_work() as session:
        run = service.create_run(session, RunSpec.model_validate(spec))
        for key, kind in (("train-0", "train"), ("search", "search")):
            unit = Unit(run_id=run.id, key=key, kind=kind)
            session.add(unit)
            session.flush()
            for second in (1, 2):
                session.add(
                    TelemetryRow(
                        unit_id=unit.id,
                        run_id=run.id,
                        at=datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC),
                        attempt=1,
                        step=second,
                        seconds=2.0,
                        updates=25 * second,
                        images=0,
                        data_seconds=0.0,
                        forward_seconds=1.0,
                        backward_seconds=0.0,
                        optimizer_seconds=0.0,
                        ranking_seconds=0.5,
                        checkpoint_seconds=0.25,
                    )
                )
    shown = run_command("show", run.id).output
    assert re.search(r"unit .*steps/s .*useful .*owner", shown)
    # 75 steps in 4 seconds, of which 3 were useful; the partition has no telemetry.
    assert re.search(r"train-0 .* 18\.8 .* 75% ", shown)
    assert re.search(r"search .* 75% ", shown)
    assert not re.search(r"search .*\d\.\d", shown)
    assert not re.search(r"partition .*%", shown)


def test_the_list_shows_every_tau_beside_its_noise_ceiling(
    server: str, stocked: Database, spec: dict
):
    with stocked.unit_of_work() as session:
        space = get(session, SearchSpace, "digits-mini")
        add_benchmark(session, "seedless", space, GroundTruth(entries={CONV: Entry(90.0)}))
        for benchmark, tau in (("mini-truth", 0.7), ("seedless", 0.6), (None, None)):
            changed = spec | {"name": f"on-{benchmark}", "benchmark": benchmark}
            run = service.create_run(session, RunSpec.model_validate(changed))
            if tau is not None:
                session.add(
                    Correlation(
                        run_id=run.id,
                        stage="final",
                        step=100,
                        scorer="loss",
                        scope="overall",
                        **stored_correlation(tau),
                        conditions={},
                    )
                )
    listed = run_command("runs").output
    assert re.search(r"tau .*noise ceiling", listed)
    assert re.search(r"on-mini-truth .* 0\.700 .* 0\.800 ", listed)
    assert re.search(r"on-seedless .* 0\.600 .* unknown ", listed)
    assert re.search(r"on-None .* no benchmark ", listed)


def test_a_bad_spec_is_refused_with_its_field(server: str, spec_file: Path, spec: dict):
    spec_file.write_text(yaml.safe_dump(spec | {"training": {"steps": 0}}))
    result = run_command("submit", spec_file)
    assert result.exit_code == 1
    assert "Error: training.steps" in result.stderr


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path, server: str):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [")
    result = run_command("submit", path)
    assert result.exit_code == 1
    assert "bad.yaml" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file"),
        ("folder", "is a folder, not a file"),
        (b"name: \xff", "is not UTF-8 text"),
    ],
)
def test_a_spec_file_that_cannot_be_read_is_named_in_plain_words(
    content: str | bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EFSNAS_URL", "http://127.0.0.1:1")
    path = tmp_path / "nope.yaml"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    result = run_command("submit", path)
    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert said in result.stderr
    assert "Errno" not in result.stderr


def test_watching_ends_with_the_run_and_fails_unless_it_succeeds(
    server: str, spec_file: Path, stocked: Database
):
    def cancel_it() -> None:
        def cancelled() -> bool:
            with stocked.unit_of_work() as session:
                runs = service.list_runs(session).items
                return bool(runs) and bool(service.cancel(session, runs[0].id))

        wait_until(cancelled, seconds=10, what="the run is there")

    canceller = threading.Thread(target=cancel_it)
    canceller.start()
    result = run_command("submit", spec_file, "--watch")
    canceller.join()
    assert result.exit_code == 1
    assert "Run 1: cancelled." in result.output
    assert "run 1 cancelled" in result.stderr


def test_a_table_is_imported(server: str, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text(f"architecture,accuracy\n{CONV},90\n")
    arguments = ["benchmarks", "import", table, "--name", "mine", "--space", "digits-mini"]
    assert (
        "mine@1: 1 architectures of digits-mini@1, 1 of them valid"
        in run_command(*arguments).output
    )
    table.write_text(f"architecture,accuracy\n{CONV},nan\n")
    refused = run_command(*arguments)
    assert refused.exit_code == 1
    assert "line 2" in refused.stderr


def test_benchmarks_are_listed_and_shown(server: str, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text(
        "architecture,a/accuracy/seed0 [fraction],a/accuracy/seed1 [fraction],latency\n"
        f"{CONV},0.9,0.92,3\n{POOL},0.6,0.7,2\n{SKIP},0.5,0.54,1\n"
    )
    arguments = ["benchmarks", "import", table, "--name", "two", "--space", "digits-mini"]
    imported = run_command(*arguments).output
    assert "noise ceiling 1.000" in imported
    listed = run_command("benchmarks", "list").output
    assert "two@1" in listed
    assert "mini-truth@1" in listed
    shown = run_command("benchmarks", "show", "two", "--best", "1").output
    assert "two@1: 3 of 125 architectures of digits-mini@1, 3 of 116 valid ones" in shown
    assert CONV in shown
    assert SKIP not in shown
    assert "a/accuracy (truth)" in shown
    # The lowest latency is the best.
    fastest = run_command("benchmarks", "show", "two", "--column", "latency", "--best", "1").output
    assert SKIP in fastest
    assert CONV not in fastest
    refused = run_command("benchmarks", "show", "two", "--column", "flops")
    assert refused.exit_code == 1
    assert "known: a/accuracy, latency" in refused.stderr


def test_the_unit_of_a_bare_table_is_an_option(server: str, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text(f"architecture,accuracy\n{CONV},0.9\n")
    arguments = ["benchmarks", "import", table, "--name", "bare", "--space", "digits-mini"]
    refused = run_command(*arguments)
    assert refused.exit_code == 1
    assert "look like fractions" in refused.stderr
    made = run_command(*arguments, "--unit", "fraction", "--dataset", "d")
    assert "bare@1: 1 architectures" in made.output


def test_a_folder_of_images_is_imported(server: str, tmp_path: Path):
    for part in ("train", "test"):
        for label, shade in (("cat", 10), ("dog", 200)):
            folder = tmp_path / "pets" / part / label
            folder.mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (8, 8), (shade, number, 0)).save(folder / f"{number}.png")
                # Copied from a camera without a clock: before 1980, where zip's dates begin.
                os.utime(folder / f"{number}.png", (0, 0))
    result = run_command(
        *("datasets", "import", tmp_path / "pets", "--name", "pets"),
        *("--size", 4, "--num-validation", 2),
    )
    assert result.exit_code == 0, result.stderr
    expected = "pets@1: 4 train, 2 validation, 6 test images of 4x4x3, 2 classes."
    assert expected in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("store", "files", "num_validation", "said"),
    [
        (folder, cifar10, 10, "30 train, 10 validation, 10 test images of 8x8x3, 10 classes."),
        (
            tar,
            imagenet16,
            120,
            "120 train, 120 validation, 120 test images of 8x8x3, 120 classes.",
        ),
    ],
    ids=["cifar-10, unpacked", "imagenet16-120, packed"],
)
def test_a_published_archive_is_imported(
    server: str, tmp_path: Path, store, files, num_validation: int, said: str
):
    result = run_command(
        *("datasets", "import", store(files(), tmp_path), "--name", "published"),
        *("--size", 8, "--num-validation", num_validation),
    )
    assert result.exit_code == 0, result.stderr
    assert f"published@1: {said}" in " ".join(result.output.split())


def test_an_archive_that_lacks_a_file_is_said_with_its_name(server: str, tmp_path: Path):
    files = cifar10()
    del files["test_batch"]
    result = run_command("datasets", "import", tar(files, tmp_path), "--name", "published")
    assert result.exit_code == 1
    assert "test_batch missing from CIFAR-10" in " ".join(result.stderr.split())


def test_an_unknown_run_is_said_in_a_sentence(server: str):
    result = run_command("show", 4711)
    assert (result.exit_code, result.stderr.strip()) == (1, "Error: There is no run 4711.")


def test_an_absent_server_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EFSNAS_URL", "http://127.0.0.1:1")
    result = run_command("runs")
    assert result.exit_code == 1
    assert "nothing answers at http://127.0.0.1:1" in result.stderr
    assert "efsnas up" in result.stderr


@pytest.mark.parametrize("command", ["up", "api"])
def test_a_server_refuses_an_address_that_others_can_reach(
    command: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EFSNAS_HOST", "0.0.0.0")
    monkeypatch.setattr("os.execv", lambda *_: pytest.fail("a server was started"))
    result = run_command(command)
    assert result.exit_code == 1
    assert "EFSNAS_ALLOW_BIND=0.0.0.0" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "started"),
    [
        (["up"], ["worker.stack"]),
        (["up", "--slots", "2"], ["worker.stack", "--slots", "2"]),
        (["worker"], ["worker.pool", "--slots", "auto"]),
        (["worker", "--slots", "3"], ["worker.pool", "--slots", "3"]),
        (["reaper"], ["worker.reaper"]),
        (
            ["api", "--port", "8123"],
            ["uvicorn", "frontend.server:application", "--factory", "--host=127.0.0.1"],
        ),
    ],
)
def test_a_process_is_started_by_its_module(
    arguments: list[str], started: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EFSNAS_PORT", "8000")
    commands: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, command: commands.append(command))
    run_command(*arguments)
    assert commands[0][1] == "-m"
    assert commands[0][2 : 2 + len(started)] == started
    if arguments[0] == "api":
        assert "--port=8123" in commands[0]


def test_migrating_makes_a_database_with_the_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EFSNAS_HOME", str(tmp_path / "new"))
    result = run_command("migrate")
    assert result.exit_code == 0
    assert "revision 0001" in result.output
    assert (tmp_path / "new" / "efsnas.sqlite3").is_file()


def test_architectures_of_a_run_are_retrained_from_the_command_line(
    server: str, stocked: Database, spec: dict
):
    with stocked.unit_of_work() as session:
        run = service.create_run(session, RunSpec.model_validate(spec))
    asked = run_command("retrain", run.id, CONV, POOL, "--seeds", "2", "--recipe", "cifar10")
    assert asked.exit_code == 0, asked.output
    assert asked.output.splitlines() == [
        f"retrain-0: {CONV}, seed 0, recipe cifar10",
        f"retrain-1: {CONV}, seed 1, recipe cifar10",
        f"retrain-2: {POOL}, seed 0, recipe cifar10",
        f"retrain-3: {POOL}, seed 1, recipe cifar10",
    ]
    single = run_command("retrain", run.id, SKIP, "--seeds", "4,")
    assert f"{SKIP}, seed 4, recipe digits" in single.output
    listed = run_command("retrain", run.id, SKIP, "--seeds", "6,7")
    assert f"{SKIP}, seed 7, recipe digits" in listed.output
    shown = run_command("show", run.id).output
    assert re.search(r"retrain-0 .*waiting", shown)
    assert "none has ended yet (recipe cifar10)" in shown


def test_what_cannot_be_retrained_is_said_in_a_sentence(
    server: str, stocked: Database, spec: dict
):
    with stocked.unit_of_work() as session:
        run = service.create_run(session, RunSpec.model_validate(spec))
    for arguments, said in (
        (["|conv~0|"], "architectures.0"),
        ([], "has not ended yet"),
        ([CONV, "--top", "2"], "either list architectures"),
        ([CONV, "--seeds", "many"], "neither a number nor numbers"),
        ([CONV, "--recipe", "other"], "recipe"),
    ):
        refused = run_command("retrain", run.id, *arguments)
        assert refused.exit_code == 1
        assert said in refused.output
