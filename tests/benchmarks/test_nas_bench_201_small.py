"""The benchmark of some small cells of NAS-Bench-201."""

import nas_bench_201_small

from nas.spaces import catalogue


class TestNasBench201Small:
    def test_its_cells_are_valid_and_compute_different_things(self) -> None:
        space = catalogue()["nas-bench-201"]
        cells = nas_bench_201_small.cells(space)
        assert len(cells) == 100
        assert all(space.is_valid(cell) for cell in cells)
        computed = {
            tuple(name for name, alive in zip(cell, space.live(cell), strict=True) if alive)
            + space.live(cell)
            for cell in cells
        }
        assert len(computed) == 100
