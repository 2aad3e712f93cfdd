import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from nas.data.dataset import ImageDataset, ImageSplit
from nas.data.digits import digits
from nas.errors import InvalidCheckpoint
from nas.events import Retrained, RetrainingEpoch, StandAloneProgressed
from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape
from nas.training import standalone
from nas.training.recipe import AugmentationSpec
from nas.training.recipes.digits import DigitsRecipe
from nas.training.retrained import RetrainedModel, weights_sha256
from nas.training.retraining import RetrainState, retrain
from nas.training.standalone import StandAloneTrainer

SPACE = catalogue()["digits-mini"]
CELL = ("nor_conv_3x3", "skip_connect", "nor_conv_1x1")
RECIPE = DigitsRecipe(epochs=3, batch_size=32, patience=None)
SHAPE = NetworkShape(width=3)


def few_digits() -> ImageDataset:
    dataset = digits()
    parts = {
        name: ImageSplit(split.images[:number], split.labels[:number])
        for name, split, number in (
            ("train", dataset.train, 100),
            ("validation", dataset.validation, 60),
            ("test", dataset.test, 60),
        )
    }
    return replace(dataset, **parts)


def trainer_of(recipe=RECIPE, dataset=None) -> StandAloneTrainer:
    return StandAloneTrainer(SPACE, dataset or few_digits(), recipe, shape=SHAPE)


def finished(trainer, seed=0, architecture=CELL):
    return list(retrain(trainer, RetrainState.fresh(trainer, architecture, seed)))


@pytest.fixture
def every_step_is_reported(monkeypatch):
    monkeypatch.setattr(standalone, "REPORT_SECONDS", 0.0)


def test_a_retraining_tells_each_epoch_and_ends_with_the_weights_of_the_last():
    trainer = trainer_of()

    events = finished(trainer)

    epochs = [event for event in events if isinstance(event, RetrainingEpoch)]
    (end,) = [event for event in events if isinstance(event, Retrained)]
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert epochs[0].loss > epochs[-1].loss > 0
    assert epochs[-1].learning_rate < epochs[0].learning_rate
    assert (end.epochs, end.kept_epoch) == (3, 3)
    assert end.validation_accuracy == epochs[-1].accuracy
    assert end.best_epoch == 1 + int(np.argmax([event.accuracy for event in epochs]))
    assert end.seconds > 0
    assert end.model.code == SPACE.encode(CELL)
    told = end.model.told
    assert (told["seed"], told["train_images"], told["test_images"]) == (0, 100, 60)
    assert told["recipe"] == RECIPE.model_dump(mode="json")


def test_the_accuracy_is_that_of_the_kept_weights_and_of_an_ordinary_training():
    trainer = trainer_of()

    end = finished(trainer, seed=4)[-1]

    assert end.test_accuracy == trainer.test_accuracy(CELL, seed=4)
    test = trainer.dataset.test
    pixels = (torch.from_numpy(test.images) - end.model.pixels.mean[0]) / (
        end.model.pixels.deviation[0]
    )
    with torch.no_grad():
        found = end.model.network()(pixels, CELL).argmax(dim=1)
    right = int((found == torch.from_numpy(test.labels)).sum())
    assert end.test_accuracy == pytest.approx(100 * right / 60)


@pytest.mark.usefixtures("every_step_is_reported")
@pytest.mark.parametrize("patience", [None, 1])
def test_resumed_from_any_event_the_weights_are_the_same_bit_by_bit(patience):
    recipe = DigitsRecipe(epochs=3, batch_size=32, patience=patience)
    trainer = trainer_of(recipe)
    state = RetrainState.fresh(trainer, CELL, 7)
    stored, told = [], []
    for event in retrain(trainer, state):
        stored.append(state.frozen()())
        told.append(event)
    assert len(stored) > 6

    for place, data in enumerate(stored[:-1]):
        torch.manual_seed(place)
        resumed = RetrainState.from_bytes(trainer, CELL, 7, data)
        rest = list(retrain(trainer, resumed))
        assert rest[-1].model.weights_sha256 == told[-1].model.weights_sha256
        assert rest[-1].test_accuracy == told[-1].test_accuracy
        epochs = [event for event in rest if isinstance(event, RetrainingEpoch)]
        after = [event for event in told[place + 1 :] if isinstance(event, RetrainingEpoch)]
        assert epochs == after


class Bumpy(StandAloneTrainer):
    """Validation accuracies as in a list; each is asked for once per epoch."""

    def accuracy(self, training, split):
        if split == "test":
            return 50.0
        self.weights.append(weights_sha256(training.network.state_dict()))
        return self.planned[len(self.weights) - 1]


def bumpy(planned, patience) -> Bumpy:
    recipe = DigitsRecipe(epochs=len(planned), batch_size=32, patience=patience)
    trainer = Bumpy(SPACE, few_digits(), recipe, shape=SHAPE)
    trainer.planned, trainer.weights = planned, []
    return trainer


def test_an_early_stop_keeps_the_first_of_the_best_epochs():
    trainer = bumpy([10.0, 30.0, 20.0, 30.0, 90.0], patience=2)

    events = finished(trainer)

    end = events[-1]
    assert (end.epochs, end.best_epoch, end.kept_epoch) == (4, 2, 2)
    assert end.validation_accuracy == 30.0
    assert end.model.weights_sha256 == trainer.weights[1]
    assert end.model.told["kept_epoch"] == 2


def test_without_patience_it_goes_on_and_keeps_the_last():
    trainer = bumpy([10.0, 30.0, 20.0, 20.0], patience=None)

    end = finished(trainer)[-1]

    assert (end.epochs, end.best_epoch, end.kept_epoch) == (4, 2, 4)
    assert end.validation_accuracy == 20.0
    assert end.model.weights_sha256 == trainer.weights[3]


def test_test_images_are_read_once_after_the_last_epoch():
    class Watched(StandAloneTrainer):
        def accuracy(self, training, split):
            self.asked.append(split)
            return super().accuracy(training, split)

    trainer = Watched(SPACE, few_digits(), RECIPE, shape=SHAPE)
    trainer.asked = []

    finished(trainer)

    assert trainer.asked == ["validation", "validation", "validation", "test"]


def test_a_diverged_training_ends_with_a_sentence_and_without_weights():
    trainer = trainer_of(RECIPE.model_copy(update={"learning_rate": 1e30}))

    events = finished(trainer)

    end = events[-1]
    assert end.reason.startswith("The training diverged")
    assert "learning_rate" in end.reason
    assert (end.test_accuracy, end.validation_accuracy, end.model) == (None, None, None)
    assert not any(isinstance(event, RetrainingEpoch) for event in events)


@pytest.mark.usefixtures("every_step_is_reported")
def test_a_diverged_training_can_be_stored_on_its_way():
    trainer = trainer_of(RECIPE.model_copy(update={"learning_rate": 1e30}))
    state = RetrainState.fresh(trainer, CELL, 0)
    events = retrain(trainer, state)
    for _ in range(2):
        assert isinstance(next(events), StandAloneProgressed)
    assert not math.isfinite(float(state.loss_sum))

    resumed = RetrainState.from_bytes(trainer, CELL, 0, state.frozen()())

    assert list(retrain(trainer, resumed))[-1].reason.startswith("The training diverged")


def test_a_state_of_another_seed_or_network_is_refused():
    trainer = trainer_of()
    data = RetrainState.fresh(trainer, CELL, 1).frozen()()
    with pytest.raises(InvalidCheckpoint, match="seed 1, not 2"):
        RetrainState.from_bytes(trainer, CELL, 2, data)
    with pytest.raises(InvalidCheckpoint):
        RetrainState.from_bytes(trainer, ("nor_conv_1x1",) * 3, 1, data)


def test_noise_shift_and_warm_up_are_those_of_the_recipe():
    plain = DigitsRecipe(epochs=2, batch_size=32, augmentation=AugmentationSpec())
    other = plain.model_copy(update={"warm_up_epochs": 1})
    first, second = (
        [event for event in finished(trainer_of(recipe)) if isinstance(event, RetrainingEpoch)]
        for recipe in (plain, other)
    )
    assert second[0].learning_rate == pytest.approx(0.1)
    assert first[0].learning_rate == pytest.approx(0.05 * (1 + math.cos(math.pi * 2 / 6)))


def test_the_stored_model_gives_the_test_accuracy_again():
    end = finished(trainer_of())[-1]
    read = RetrainedModel.from_bytes(end.model.to_bytes())
    assert read.weights_sha256 == end.model.weights_sha256
    assert read.told["test_accuracy"] == end.test_accuracy
