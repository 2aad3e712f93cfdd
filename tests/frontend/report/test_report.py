"""A run as one file, as the server answers it and as the command line keeps it."""

import httpx
import pytest

from tests.backend.api import problem_of
from tests.backend.cli.commands import run_command
from tests.frontend.seeding import STEPS, SeededRun, add_truth, small_spec

HOSTILE = "</script><script>document.title = 'taken over'</script>"


@pytest.fixture(scope="module")
def run(served_db):
    run = SeededRun(served_db, small_spec(name=HOSTILE)).create()
    run.start()
    space = run.partition.space
    valid = [one for one in space.enumerate() if space.is_valid(one)]
    truth = {space.encode(one): 90 + place / 20 for place, one in enumerate(valid)}
    add_truth(served_db, run.run_id, truth)
    run.train(STEPS)
    run.rank(STEPS, stage="final")
    run.search(30)
    run.finish()
    return run


def test_the_report_tells_what_show_tells_with_spec_and_log(address, run):
    answer = httpx.get(f"{address}/api/v1/runs/{run.run_id}/report", timeout=60)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"] == f'inline; filename="run-{run.run_id}.html"'
    for text in (
        "30 valid (26%)",
        "normalised entropy of updates",
        "tau = 0.700",
        "0.800",
        "Best 20 of 30 candidates",
        "warm_up_steps: 200",
        "Partition found.",
    ):
        assert text in answer.text
    assert HOSTILE not in answer.text
    kept = httpx.get(f"{address}/api/v1/runs/{run.run_id}/report?download=true", timeout=60)
    assert kept.headers["content-disposition"].startswith("attachment")


def test_a_run_that_has_nothing_yet_is_reported_and_a_missing_one_is_not(address, served_db):
    fresh = SeededRun(served_db, small_spec(name="just queued", search=None)).create()
    answer = httpx.get(f"{address}/api/v1/runs/{fresh.run_id}/report")
    assert answer.status_code == 200
    assert "queued" in answer.text
    assert "Figures" not in answer.text
    assert "candidates" not in answer.text.partition("<pre>")[0].rpartition("</style>")[2]
    assert problem_of(httpx.get(f"{address}/api/v1/runs/99999/report"), 404)


def test_the_command_keeps_report_and_tables(address, run, tmp_path, monkeypatch):
    monkeypatch.setenv("EFSNAS_URL", address)
    done = run_command("report", run.run_id, "--tables", "csv", "--folder", tmp_path)
    assert done.exit_code == 0, done.output
    names = [f"run-{run.run_id}.html", f"run-{run.run_id}-csv.zip"]
    assert done.output.splitlines() == [str(tmp_path / name) for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("number", "folder", "said"),
    [(99999, ".", "no run 99999"), (1, "missing", "cannot be written")],
)
def test_what_cannot_be_kept_is_said_and_leaves_nothing(
    address, run, tmp_path, monkeypatch, number, folder, said
):
    monkeypatch.setenv("EFSNAS_URL", address)
    done = run_command("report", number, "--folder", tmp_path / folder)
    assert done.exit_code == 1
    assert said in done.output
    assert list(tmp_path.iterdir()) == []
