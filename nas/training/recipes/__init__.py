"""Recipes of retraining: one preset per file, whose every number can be changed."""

from typing import TYPE_CHECKING

from nas.plugin import tagged_union
from nas.training.recipes.base import RetrainRecipe

if TYPE_CHECKING:
    AnyRecipe = RetrainRecipe
else:
    AnyRecipe = tagged_union(__name__, RetrainRecipe)
