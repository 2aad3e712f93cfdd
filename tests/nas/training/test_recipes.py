"""The presets say what their sources say."""

from nas.training.recipes.cifar10 import Cifar10Recipe
from nas.training.recipes.darts import DartsRecipe
from nas.training.recipes.efs_nas_mobilenet import EfsNasMobilenetRecipe


def numbers(recipe):
    """Epochs, batch, learning rate, momentum, weight decay, smoothing, clip, warm-up, patience."""
    return (
        recipe.epochs,
        recipe.batch_size,
        recipe.learning_rate,
        recipe.momentum,
        recipe.weight_decay,
        recipe.label_smoothing,
        recipe.gradient_clip,
        recipe.warm_up_epochs,
        recipe.patience,
    )


def test_cells_of_nas_bench_201_were_trained_so():
    recipe = Cifar10Recipe()
    assert numbers(recipe) == (200, 256, 0.1, 0.9, 5e-4, 0.0, None, 0, None)
    assert (recipe.augmentation.horizontal_flip, recipe.augmentation.shift_pixels) == (True, 4)


def test_efs_nas_retrains_its_mobilenet_so():
    assert numbers(EfsNasMobilenetRecipe()) == (240, 1024, 0.5, 0.9, 4e-5, 0.1, None, 0, None)


def test_efs_nas_retrains_darts_cells_so():
    recipe = DartsRecipe()
    assert numbers(recipe) == (600, 96, 0.025, 0.9, 3e-4, 0.0, 5.0, 0, None)
    assert (recipe.augmentation.horizontal_flip, recipe.augmentation.shift_pixels) == (True, 4)
