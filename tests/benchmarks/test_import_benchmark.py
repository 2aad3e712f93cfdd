"""How imports of benchmarks are timed."""

from pathlib import Path

import import_benchmark
import pytest

from tests.benchmarks.prepared import imported


class TestImportBenchmark:
    def test_the_figures_are_the_slowest_and_the_largest(self) -> None:
        assert import_benchmark.summary(imported()) == {
            "nas_bench_201_processor_seconds": 1.5,
            "nas_bench_201_clock_seconds": 2.5,
            "million_clock_seconds": 200.0,
            "million_grown_mib": 82.0,
            "mib_more_for_a_million": 2.0,
        }

    @pytest.mark.parametrize(("seconds", "more"), [(5.0, 0.0), (1.0, 64.5)])
    def test_a_slow_or_a_large_import_fails(self, seconds: float, more: float) -> None:
        found = imported(seconds, more)
        with pytest.raises(SystemExit):
            import_benchmark.show(found, import_benchmark.summary(found))

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_a_made_up_table_is_imported(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "made.csv"
        import_benchmark.write_csv(path, 200)
        import_benchmark.write_parquet(path, tmp_path / "made.parquet")
        with import_benchmark.new_database("sqlite", tmp_path, None) as url:
            found = import_benchmark.import_once(tmp_path / f"made.{kind}", url, "five-nodes")
        assert found.rows == 200
        assert found.processor_seconds > 0
