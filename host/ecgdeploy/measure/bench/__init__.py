"""What an engine costs on the emulated Cortex-M4F, and whether its outputs are right."""

from ecgdeploy.measure.bench.compare import Regression, compare_with_baseline
from ecgdeploy.measure.bench.image import BenchRun, run_on_board
from ecgdeploy.measure.bench.models import BenchResult, bench_folder, bench_model

__all__ = [
    "BenchResult",
    "BenchRun",
    "Regression",
    "bench_folder",
    "bench_model",
    "compare_with_baseline",
    "run_on_board",
]
