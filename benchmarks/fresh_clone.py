"""Do the README's two commands work on a bare machine, and how long do they take?

Clones the last commit into an empty folder with an empty pip cache, runs `make setup`, and then
without any network but this machine's own empty loopback `make demo ARGS=--exit` and, if asked,
`make test`: no service, no download, no GPU is within reach. Started as root, all of it runs as
user `nobody`. Keeps its figures in `results/fresh_clone/`.

    sudo python benchmarks/fresh_clone.py [--test]

Needs Linux with git, make, Python, unshare, ip and setpriv.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance

ROOT = Path(__file__).parent.parent
KEPT = RESULTS / "fresh_clone" / "fresh_clone.json"
PYTHON = "/usr/bin/python3"
"""The system's: whoever runs this may have another one that `nobody` cannot read."""
KEPT_VARIABLES = ("PATH", "LANG")
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def main() -> int:
    """Measure, keep, print; return 0 if everything exited with 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="also run make test")
    arguments = parser.parse_args()
    if os.geteuid():
        parser.error("taking the network away needs root; the commands themselves run as nobody")
    origin = provenance()
    with tempfile.TemporaryDirectory(prefix="fresh-clone-") as folder:
        Path(folder).chmod(0o755)
        clone = _cloned(Path(folder))
        minutes, codes = {}, {}
        commands = {"setup": ["make", "setup"], "demo": ["make", "demo", "ARGS=--exit"]}
        if arguments.test:
            commands["test"] = ["make", "test"]
        for name, command in commands.items():
            isolated = () if name == "setup" else ALONE
            codes[name], minutes[name] = _timed([*isolated, *NOBODY, *command], clone)
        row: Row = {
            **origin,
            "threads": os.cpu_count(),
            "exit_codes": {name: code for name, code in codes.items()},
            "minutes": {name: round(value, 2) for name, value in minutes.items()},
            "experiment_minutes": round(_experiment_minutes(clone), 2),
            "user": "nobody",
            "services": "none reachable",
        }
    keep(KEPT, row)
    print_table(
        ["command", "exit code", "minutes"],
        [[name, str(codes[name]), f"{minutes[name]:.2f}"] for name in codes],
    )
    print(f"The experiment itself took {row['experiment_minutes']} minutes.")
    print_figures(
        {
            "experiment_minutes": row["experiment_minutes"],
            **{f"{name}_minutes": round(value, 2) for name, value in minutes.items()},
        }
    )
    return max(codes.values())


def _cloned(folder: Path) -> Path:
    """Return a clone of the last commit that belongs to nobody, with an empty home and cache."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    for name in ("home", "pip-cache", "tmp"):
        (folder / name).mkdir()
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    return clone


def _timed(command: list[str], clone: Path) -> tuple[int, float]:
    """Run a command in the clone with next to no environment; return its code and minutes."""
    folder = clone.parent
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    # Where pip finds packages belongs to the machine; what it has downloaded before does not.
    environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environment |= {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PIP_CACHE_DIR": str(folder / "pip-cache"),
        "PYTHON": PYTHON,
        "CUDA_VISIBLE_DEVICES": "",
    }
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=clone, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode, (time.perf_counter() - started) / 60


def _experiment_minutes(clone: Path) -> float:
    """Return how long the demo's run took, from its creation to its end."""
    with sqlite3.connect(clone / "var" / "efsnas.sqlite3") as connection:
        ((created, finished),) = connection.execute(
            "SELECT created_at, finished_at FROM runs WHERE state = 'succeeded'"
        ).fetchall()
    span = datetime.fromisoformat(finished) - datetime.fromisoformat(created)
    return span.total_seconds() / 60


if __name__ == "__main__":
    sys.exit(main())
