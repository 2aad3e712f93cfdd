from dataclasses import replace

import pytest
import torch

from nas.data.digits import digits
from nas.errors import TrainingDiverged
from nas.events import StandAloneProgressed
from nas.spaces import catalogue
from nas.spec import AugmentationSpec
from nas.training import standalone
from nas.training.standalone import StandAloneRecipe, StandAloneTrainer, epochs_of_batches

SPACE = catalogue()["digits-mini"]
RECIPE = StandAloneRecipe(epochs=2, augmentation=AugmentationSpec(gaussian_noise=0.5))
CONVOLUTIONS = ("nor_conv_3x3", "skip_connect", "nor_conv_3x3")


def test_a_trained_network_reads_digits_and_a_dead_one_cannot() -> None:
    trainer = StandAloneTrainer(SPACE, digits(), RECIPE.model_copy(update={"epochs": 8}))
    assert trainer.test_accuracy(CONVOLUTIONS, seed=0) > 50
    assert trainer.test_accuracy(("none", "none", "none"), seed=0) < 12


def test_the_accuracy_is_a_function_of_architecture_and_seed() -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1})
    one, other = (StandAloneTrainer(SPACE, digits(), recipe) for _ in range(2))
    first = one.test_accuracy(CONVOLUTIONS, seed=3)
    torch.manual_seed(99)
    other.test_accuracy(("skip_connect", "none", "nor_conv_1x1"), seed=3)
    assert other.test_accuracy(CONVOLUTIONS, seed=3) == first
    assert one.test_accuracy(CONVOLUTIONS, seed=4) != first


def test_the_dead_edges_of_an_architecture_do_not_matter() -> None:
    trainer = StandAloneTrainer(SPACE, digits(), RECIPE.model_copy(update={"epochs": 1}))
    # Without 2<-1, nothing reads node 1.
    accuracies = {
        trainer.test_accuracy((first, "nor_conv_1x1", "none"), seed=0)
        for first in ("none", "nor_conv_3x3", "avg_pool_3x3")
    }
    assert len(accuracies) == 1


def finished(training) -> tuple[list[StandAloneProgressed], float]:
    """Exhaust a training; return its reports and the accuracy."""
    reports = []
    while True:
        try:
            reports.append(next(training))
        except StopIteration as end:
            return reports, end.value


def test_validation_accuracy_is_that_of_the_same_network_and_never_reads_test_images() -> None:
    dataset = digits()
    recipe = RECIPE.model_copy(update={"epochs": 1})
    swapped = replace(dataset, validation=dataset.test, test=dataset.validation)
    on_test = StandAloneTrainer(SPACE, swapped, recipe).test_accuracy(CONVOLUTIONS, seed=3)

    class Unreadable:
        def __getattr__(self, name: str) -> None:
            raise AssertionError("test images were read")

    hidden = replace(dataset)
    object.__setattr__(hidden, "test", Unreadable())
    trainer = StandAloneTrainer(SPACE, hidden, recipe)
    reports, accuracy = finished(trainer.reported_accuracy(CONVOLUTIONS, 3, 0))
    assert accuracy == on_test
    assert reports[-1].step == reports[-1].num_steps == trainer.num_steps == 15
    assert sum(report.updates for report in reports) == 15
    assert sum(report.images for report in reports) == 15 * 64


def test_a_training_reports_as_it_goes(monkeypatch) -> None:
    monkeypatch.setattr(standalone, "REPORT_SECONDS", 0.0)
    trainer = StandAloneTrainer(SPACE, digits(), RECIPE.model_copy(update={"epochs": 1}))
    reports, _ = finished(trainer.reported_accuracy(CONVOLUTIONS, 3, 2))
    assert [report.step for report in reports] == list(range(1, 16))
    assert {report.seed for report in reports} == {2}
    assert all(report.part_seconds.forward > 0 for report in reports)


def test_a_training_that_diverged_has_no_accuracy() -> None:
    recipe = RECIPE.model_copy(update={"learning_rate": 1e30})
    trainer = StandAloneTrainer(SPACE, digits(), recipe)
    with pytest.raises(TrainingDiverged, match="outputs that are not finite"):
        trainer.test_accuracy(CONVOLUTIONS, seed=0)


def test_an_epoch_holds_each_image_once_and_leaves_the_incomplete_batch_out() -> None:
    batches = epochs_of_batches(10, 4, torch.Generator().manual_seed(0))
    first, second = (torch.cat([next(batches), next(batches)]) for _ in range(2))
    assert len(first.unique()) == len(second.unique()) == 8
    assert not torch.equal(first, second)
