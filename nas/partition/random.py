"""Sub-spaces that mean nothing: the control that any other rule has to beat."""

from typing import Literal, final

from pydantic import Field

from nas.errors import InfeasiblePartition
from nas.partition.base import Partition, Splitter, labelled_partition
from nas.seeds import stream
from nas.spaces.base import Space
from nas.spaces.labelling import ChoiceSum


@final
class RandomSplitter(Splitter):
    """Draw a number below K for each operation of each decision; the sum modulo K is the owner.

    Unlike a table of random owners this can be counted, sampled and routed exactly in spaces that
    cannot be enumerated, and it leaves the sub-spaces nearly equal. It has nothing to do with what
    an architecture computes. EFS-NAS (arXiv 2412.14678) has such a control in its released code,
    which draws a bank for each architecture anew.
    """

    kind: Literal["random"] = "random"
    num_subspaces: int = Field(3, ge=1, le=64, description="K, the number of sub-spaces.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the drawn numbers.")

    def subspace_count(self, space: Space) -> int:
        return self.num_subspaces

    def split(self, space: Space) -> Partition:
        rng = stream(self.seed, "random splitter", self.num_subspaces)
        labelling = ChoiceSum(
            weights=tuple(
                tuple(rng.randrange(self.num_subspaces) for _ in names) for names in space.choices
            ),
            modulus=self.num_subspaces,
        )
        groups = [(f"random {index}", frozenset({index})) for index in range(self.num_subspaces)]
        try:
            return labelled_partition(space, labelling, groups)
        except InfeasiblePartition as error:
            raise InfeasiblePartition(
                "num_subspaces",
                f"{error.reason}: take fewer than {self.num_subspaces} sub-spaces or another seed",
            ) from error
