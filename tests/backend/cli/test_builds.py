"""`efsnas benchmarks build`, against a server whose worker is the test."""

import re
import threading
from pathlib import Path

from backend.benchmarks.service import add_benchmark
from backend.builds import service
from backend.builds.schemas import BuildRead
from backend.db import Database
from backend.models import Benchmark, Build, BuildTraining, SearchSpace
from backend.references import get
from nas.benchmarks.table import Entry, GroundTruth
from tests.backend.cli.commands import run_command
from tests.backend.conftest import CONV, POOL
from tests.support import wait_until

BUILD = ("benchmarks", "build", "digits-mini", "digits", "--name", "mine")


def stored(db: Database) -> list[BuildRead]:
    with db.reading() as session:
        return service.list_builds(session).items


def test_a_build_is_started_with_its_recipe_and_listed(
    server: str, stocked: Database, tmp_path: Path
):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: 5\naugmentation: {gaussian_noise: 0.5}\n")
    changes = ("--set", "epochs=7", "--set", "augmentation.shift_pixels=1")
    options = ("--seeds", "3,1", "--sample", 8, "--sample-seed", 2, "--width", 4, "--threads", 2)
    done = run_command(*BUILD, "--recipe", recipe, *changes, *options)
    assert done.exit_code == 0, done.output
    assert re.search(
        r"Build 1 is queued: \d+ trainings for 8 architectures of digits-mini@1", done.output
    )
    (build,) = stored(stocked)
    spec = build.spec
    assert (spec.seeds, spec.sample, spec.sample_seed) == ((3, 1), 8, 2)
    assert (spec.width, spec.threads, spec.recipe.epochs) == (4, 2, 7)
    augmentation = spec.recipe.augmentation
    assert (augmentation.gaussian_noise, augmentation.shift_pixels) == (0.5, 1)
    listed = run_command("benchmarks", "builds").output
    assert re.search(r"1 .* mine .* queued .* 0/\d+ .* digits-mini@1 .* digits@1", listed)
    assert "No worker slot" in listed


def test_architectures_are_read_from_a_file(server: str, stocked: Database, tmp_path: Path):
    codes = tmp_path / "codes.txt"
    codes.write_text(f"{CONV}\n\n{POOL}\n")
    run_command(*BUILD, "--architectures", codes, "--set", "epochs=1")
    assert stored(stocked)[0].spec.architectures == (CONV, POOL)


def test_what_is_refused_names_the_option_and_starts_nothing(
    server: str, stocked: Database, tmp_path: Path
):
    broken = tmp_path / "broken.yaml"
    broken.write_text("[1]")
    for options, said in (
        ((), "--set epochs=12"),
        (("--set", "epochs"), "write FIELD=VALUE"),
        (("--set", "epochs=["), "not YAML"),
        (("--set", "epochs=0"), "recipe.epochs"),
        (("--recipe", broken), "holds no recipe"),
        (("--recipe", tmp_path / "none.yaml"), "there is no file"),
        (("--set", "epochs=1", "--seeds", "1,1"), "each seed may be named once"),
        (("--set", "epochs=1", "--sample", 999), "116 valid ones"),
    ):
        refused = run_command(*BUILD, *options)
        assert refused.exit_code == 1, options
        assert said in refused.stderr
    assert stored(stocked) == []


def test_waiting_shows_the_trainings_and_ends_with_the_benchmark(server: str, stocked: Database):
    def work() -> None:
        wait_until(lambda: stored(stocked), seconds=20, what="the build is there")
        with stocked.unit_of_work() as session:
            build = session.get_one(Build, 1)
            space = get(session, SearchSpace, "digits-mini")
            truth = GroundTruth({CONV: Entry(90.0, (89.0, 91.0))}, num_seeds=2)
            add_benchmark(session, "mine", space, truth)
            for seed, accuracy in ((0, 90.0), (1, None)):
                training = {"architecture": CONV, "seed": seed, "accuracy": accuracy}
                session.add(BuildTraining(run_id=1, **training, seconds=1.0, device="cpu"))
            build.benchmark, build.state = get(session, Benchmark, "mine"), "succeeded"

    worker = threading.Thread(target=work)
    worker.start()
    done = run_command(*BUILD, "--sample", 1, "--set", "epochs=1", "--wait")
    worker.join()
    assert done.exit_code == 0, done.output
    assert "Build 1: succeeded." in done.output
    assert "2/2" in done.output
    assert "mine@1: 1 architectures of digits-mini@1" in done.output
    assert "Warning: 1 of 2 trainings diverged" in done.output


def test_waiting_for_a_build_that_is_cancelled_fails(server: str, stocked: Database):
    def cancel() -> None:
        wait_until(lambda: stored(stocked), seconds=20, what="the build is there")
        with stocked.unit_of_work() as session:
            service.act(session, 1, "cancel")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    done = run_command(*BUILD, "--sample", 1, "--set", "epochs=1", "--wait")
    canceller.join()
    assert done.exit_code == 1
    assert "build 1 cancelled" in done.stderr
