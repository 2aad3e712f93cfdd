import torch

from nas.data.digits import digits
from nas.spaces import catalogue
from nas.spec import AugmentationSpec
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


def test_an_epoch_holds_each_image_once_and_leaves_the_incomplete_batch_out() -> None:
    batches = epochs_of_batches(10, 4, torch.Generator().manual_seed(0))
    first, second = (torch.cat([next(batches), next(batches)]) for _ in range(2))
    assert len(first.unique()) == len(second.unique()) == 8
    assert not torch.equal(first, second)
