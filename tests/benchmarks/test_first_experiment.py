"""How few-shot training is compared with one-shot."""

from pathlib import Path
from typing import Any

import first_experiment
import numpy as np
import pytest

from nas.data.dataset import ImageDataset, ImageSplit
from tests.benchmarks.prepared import first_experiment_row, shortened
from tests.benchmarks.printed import ROOT, Place, printed


class TestFirstExperiment:
    TAUS = (0.58, 0.64, 0.61)

    def rows(self, variant: str, *taus: float) -> list[dict[str, Any]]:
        return [
            first_experiment_row(variant, seed, tau, minutes=9 + 2.25 * seed)
            for seed, tau in enumerate(taus)
        ]

    def test_all_three_taus_their_median_and_the_longest_minutes_are_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        others = [*self.rows("one-shot", 0.5, 0.6, 0.4), *self.rows("cold", 0.55, 0.3, 0.45)]
        first_experiment.show([*self.rows("few-shot", *self.TAUS), *others])
        shown = printed(capsys)
        assert shown.header[:3] == ["variant", "seed", "tau"]
        assert [row[:3] for row in shown.rows] == [
            ["few-shot", "0", "0.580"],
            ["few-shot", "1", "0.640"],
            ["few-shot", "2", "0.610"],
            ["few-shot, median", "", "0.610"],
            ["one-shot", "0", "0.500"],
            ["one-shot", "1", "0.600"],
            ["one-shot", "2", "0.400"],
            ["one-shot, median", "", "0.500"],
            ["cold", "0", "0.550"],
            ["cold", "1", "0.300"],
            ["cold", "2", "0.450"],
            ["cold, median", "", "0.450"],
        ]
        assert shown.sentences == ["Few-shot has the best median tau of these variants."]
        assert list(shown.figures)[:2] == ["tau_median", "minutes_max"]
        assert shown.figures["tau_median"] == 0.61
        assert shown.figures["minutes_max"] == 13.5

    @pytest.mark.parametrize("median", [0.61, 0.7])
    def test_it_is_said_that_few_shot_does_not_win(
        self, median: float, capsys: pytest.CaptureFixture[str]
    ) -> None:
        others = [*self.rows("one-shot", 0.9, median, 0.1), *self.rows("cold", 0.3, 0.3, 0.99)]
        first_experiment.show([*self.rows("few-shot", *self.TAUS), *others])
        (sentence,) = printed(capsys).sentences
        assert sentence == "Few-shot does not win: one-shot ranked no worse (median tau)."

    def test_without_few_shot_its_figures_are_unknown(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first_experiment.show(self.rows("cold", 0.3, 0.5, 0.4))
        shown = printed(capsys)
        assert shown.sentences == ["Few-shot has not been measured."]
        assert shown.figures == {
            "tau_median": None,
            "minutes_max": None,
            "tau_median_cold": 0.4,
        }

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("variant", "updates"),
        [
            ("few-shot", {"warm-up": 4, "others": 4}),
            ("cold", {"warm-up": 0, "others": 8}),
            ("one-shot", {"warm-up": 0, "others": 8}),
            ("one-shot-balanced", {"warm-up": 8, "others": 1}),
        ],
    )
    def test_a_variant_is_measured_against_the_ground_truth(
        self, variant: str, updates: dict[str, int], place: Place, shared_data: Path
    ) -> None:
        rng = np.random.default_rng(0)
        images = rng.integers(256, size=(60, 3, 16, 16), dtype=np.uint8)
        split = ImageSplit(images, np.arange(60) % 10)
        classes = tuple(map(str, range(10)))
        short = shortened(first_experiment.SPEC, place, steps=8, warm_up_steps=4, batch_size=4)
        place.replace(
            first_experiment,
            SPEC=short,
            SHARED=shared_data,
            dataset=lambda: ImageDataset(split, split, split, classes, 0),
        )
        row = first_experiment.measure(variant, 1)
        made = dict(row["updates"])
        assert {"warm-up": made.pop("warm-up", 0), "others": sum(made.values())} == updates
        assert row["num_architectures"] == 12
        overall = row["correlations"]["loss"]["all"]
        assert overall["num_architectures"] == 12
        assert -1 <= overall["tau"] <= 1

    def test_its_images_are_cifar_10_at_16_pixels_as_the_example_imports_them(
        self, place: Place
    ) -> None:
        asked: dict[str, Any] = {}

        def import_dataset(source: Path, **options: int) -> ImageDataset:
            asked.update(source=source.name, **options)
            size = options["size"]
            images = np.zeros((2, 3, size, size), dtype=np.uint8)
            split = ImageSplit(images, np.array([0, 1]))
            return ImageDataset(split, split, split, ("cat", "dog"), options["split_seed"])

        place.replace(
            first_experiment, CACHE=place.folder / "cache.npz", import_dataset=import_dataset
        )
        assert first_experiment.dataset().image_shape == (3, 16, 16)
        assert asked == {
            "source": "cifar10-images.zip",
            "size": 16,
            "num_validation": 1000,
            "split_seed": 0,
        }
        shown = "efsnas datasets import cifar10-images.zip --name cifar10-16 --size 16"
        for document in ("README.md", "examples/nas-bench-201-cifar10.yaml"):
            assert f"{shown} --num-validation 1000\n" in (ROOT / document).read_text()
        place.replace(
            first_experiment, import_dataset=lambda *_, **__: pytest.fail("imported twice")
        )
        assert first_experiment.dataset().image_shape == (3, 16, 16)
