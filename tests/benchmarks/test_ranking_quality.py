"""How the chosen ranking is judged."""

import dataclasses
import random
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import choose_ranking
import pytest
import ranking_quality
from measuring.scored import Scored

from nas.landmarks.choices.spread import SpreadChoice
from nas.ranking import combination
from nas.spaces import catalogue
from tests.benchmarks.prepared import a_choice, quality_rows
from tests.benchmarks.printed import Place, printed


class TestRankingQuality:
    def test_the_last_line_has_the_means_of_all_seeds(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        quality_rows(place)
        ranking_quality.main()
        found = printed(capsys).figures
        assert list(found)[:4] == [
            "tau_no_truth",
            "tau_50_landmarks",
            "supernet_gain",
            "core_minutes",
        ]
        assert found["tau_no_truth"] == 0.8
        assert found["tau_50_landmarks"] == pytest.approx(0.8505)
        assert found["supernet_gain"] == 0.02
        assert found["core_minutes"] == 42.0

    @pytest.mark.parametrize(
        ("figures", "complaint"),
        [
            ({"tau": 0.75}, "tau_no_truth is 0.75, less than 0.78"),
            ({"gain": 0.01}, "supernet_gain is 0.01"),
        ],
    )
    def test_it_fails_below_a_promise(
        self, figures: dict[str, float], complaint: str, place: Place
    ) -> None:
        quality_rows(place, **figures)
        with pytest.raises(SystemExit, match=complaint):
            ranking_quality.main()

    def test_some_rows_are_shown_and_not_judged(self, place: Place) -> None:
        quality_rows(place, tau=0.5)
        place.call_with("--seed", "1", "--row", "headline")
        ranking_quality.main()

    def test_the_tables_are_written_below_what_the_readme_says_itself(self, place: Place) -> None:
        quality_rows(place)
        ranking_quality.main()
        text = (place.folder / "README.md").read_text()
        assert text.startswith("What it says itself.")
        assert "An older table." not in text
        assert "2 times loss, flops, synflow" in text
        for arm in ranking_quality.ABLATION:
            assert f"| {arm.title} |" in text
        for mark in ranking_quality.MARKED.values():
            assert text.count(f"### {mark}") == 2

    def test_a_second_choice_has_its_own_commits(self, place: Place) -> None:
        first = a_choice()
        second = dataclasses.replace(first, commit="2" * 12)
        read = SimpleNamespace(read={ranking_quality.SECOND: second}.__getitem__)
        place.replace(
            ranking_quality, Choice=read, headline=lambda choice, seed: {"of": choice.commit}
        )
        assert ranking_quality.second_choice(first, 0) == {
            "of": "2" * 12,
            "choice_commit": "2" * 12,
            "choice_script_commit": "a" * 12,
        }

    def test_what_was_chosen_in_sight_has_the_same_supernets(self, place: Place) -> None:
        seen: list[ranking_quality.Choice] = []

        def headline(choice: ranking_quality.Choice, seed: int) -> dict[str, Any]:
            seen.append(choice)
            return {"seed": seed}

        place.replace(ranking_quality, headline=headline)
        assert ranking_quality.in_sight(a_choice(), 2) == {"seed": 2}
        (other,) = seen
        assert other.recipe == a_choice().recipe
        assert other.rank_sum.of == other.calibrated.of == ranking_quality.IN_SIGHT
        assert other.without_supernet.of == ranking_quality.IN_SIGHT[1:]

    def test_a_choice_that_is_not_committed_is_refused(self, tmp_path: Path) -> None:
        def git(*arguments: str) -> None:
            identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
            subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)

        with pytest.raises(SystemExit, match="nothing is chosen yet"):
            ranking_quality.Choice.read(tmp_path / "chosen.json")
        path = tmp_path / "chosen.json"
        path.write_text("{}")
        git("init", "-q")
        with pytest.raises(SystemExit, match="not committed"):
            ranking_quality.commit_of(path)
        git("add", "chosen.json")
        git("commit", "-qm", "chosen")
        assert re.fullmatch(r"[0-9a-f]{12}", ranking_quality.commit_of(path))
        path.write_text('{"of": []}')
        with pytest.raises(SystemExit, match="not committed"):
            ranking_quality.commit_of(path)

    def test_cells_are_judged_with_and_without_supernet_and_on_what_is_no_landmark(
        self, place: Place
    ) -> None:
        space = catalogue()["nas-bench-201"]
        rng = random.Random(1)
        members = list(ranking_quality._reference())[:400]
        truth = {space.encode(one): space.flops(one) / 1e6 + rng.random() for one in members}
        dead = space.encode(next(one for one in space.enumerate() if not space.is_valid(one)))

        def noisy(*kinds: str) -> Scored:
            scores = {
                kind: {code: value + rng.gauss(0, 20) for code, value in truth.items()}
                for kind in kinds
            }
            return Scored(scores, 3.0, {"all": 9}, {"commit": "d" * 12})

        trained, before = noisy("loss"), noisy(*choose_ranking.BEFORE_TRAINING)
        place.replace(
            ranking_quality,
            NUM_DRAWS=2,
            NUMBERS_OF_LANDMARKS=(20,),
            NUM_RESAMPLES=25,
            valid=lambda: tuple(members),
            truth=lambda: {**truth, dead: 10.0},
            _reference=lambda: tuple(members),
            trained_scores=lambda *_: trained,
            untrained_scores=lambda *_: before,
        )
        place.replace(combination, reference_sample=lambda *_: tuple(members))
        place.replace(
            SpreadChoice, choose=lambda self, _, known, rng: tuple(rng.sample(members, self.count))
        )
        row: Any = ranking_quality.headline(a_choice(), seed=3)
        assert row["num_cells"] == 400
        assert row["with_dead_cells"]["num_cells"] == 401
        assert row["gain"] == pytest.approx(
            row["rank_sum"]["tau"] - row["without_supernet"]["tau"], abs=2e-5
        )
        assert row["gain"] > 0
        assert len(row["gains"]) == 25
        assert row["cpu_minutes"]["all"] == pytest.approx(6, abs=0.5)
        first, second = row["landmarks"]["20"]
        assert first["tau"] != second["tau"]
        assert 0.5 < first["tau"] < 1
        assert all(300 < draw["num_cells"] <= 380 for draw in (first, second))
