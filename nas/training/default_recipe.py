"""Which recipe a dataset is retrained with unless somebody chooses one; importing it loads no torch."""

from nas.plugin import concrete_subclasses
from nas.training import recipes
from nas.training.recipes.base import RetrainRecipe


def default_recipe(side: int, num_train: int) -> RetrainRecipe:
    """Return the recipe for images of some size.

    Args:
        side: pixels of the longer side of an image.
        num_train: training images.
    """
    presets = [
        preset
        for preset in concrete_subclasses(RetrainRecipe, recipes.__name__)
        if issubclass(preset, RetrainRecipe) and preset.suits(side, num_train)
    ]
    # The one for the smallest images knows them best.
    chosen = min(presets, key=lambda preset: preset.largest_side)
    return chosen.model_validate({})
