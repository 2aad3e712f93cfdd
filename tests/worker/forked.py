"""Runner processes that begin with torch loaded, so that a test can afford to kill many.

They come from a server process that forks; otherwise each is a process like any other, and does
what `python -m worker.runner` does.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import TypeVar

import torch

from backend.db import Database
from backend.runs import leases
from backend.runs.states import FINISHED_RUN_STATES
from backend.settings import Settings
from nas.ranking import evaluation
from nas.training import loop, standalone
from nas.training.standalone import StandAloneTrainer
from tests.worker.support import Deployment
from worker.control import Control
from worker.runner import Runner, configure_torch

Made = TypeVar("Made")

REPORT_SECONDS = 0.05
"""Events come more often than in earnest, so that a run of seconds has many checkpoints."""

REFUSES_WHAT_IS_NOT_REPEATABLE = 2  # as `torch.get_deterministic_debug_mode` says it

STEP_SECONDS = 0.004
"""At least; so long a run lasts on any machine, and can be killed a few times."""

SCORING_SECONDS = 0.02
"""Likewise of some architectures that are scored together, such as candidates of a search."""


def start(
    deployment: Deployment, run_id: int, owner: str, scoring_seconds: float = SCORING_SECONDS
) -> ForkServerProcess:
    """Start a process that executes units of a run until the run is over.

    It ends with 0 if it computed repeatably and did not load torch's compiler.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(
        target=_work,
        args=(deployment.settings, run_id, owner, scoring_seconds),
        daemon=True,
        name=owner,
    )
    process.start()
    return process


def _work(settings: Settings, run_id: int, owner: str, scoring_seconds: float) -> None:
    configure_torch()
    assert torch.get_deterministic_debug_mode() == REFUSES_WHAT_IS_NOT_REPEATABLE
    loop.REPORT_SECONDS = standalone.REPORT_SECONDS = REPORT_SECONDS
    loop.update = _slowed(loop.update, STEP_SECONDS)
    StandAloneTrainer.advance = _slowed(StandAloneTrainer.advance, STEP_SECONDS)
    evaluation.evaluations = _slowed(evaluation.evaluations, scoring_seconds)
    db = Database(settings.database)
    deployment = Deployment(db, settings)
    while deployment.state(run_id) not in FINISHED_RUN_STATES:
        with db.unit_of_work() as session:
            lease = leases.claim(session, owner, settings.lease_seconds, run_id=run_id)
        if lease is None:
            time.sleep(0.02)
        else:
            Runner(db, settings, Control(), lease).work()
    # Torch's compiler takes a runner two seconds to load, and nothing here needs it.
    sys.exit("torch._dynamo" in sys.modules)


def _slowed(work: Callable[..., Made], seconds: float) -> Callable[..., Made]:
    def slowed(*arguments: object) -> Made:
        time.sleep(seconds)
        return work(*arguments)

    return slowed
