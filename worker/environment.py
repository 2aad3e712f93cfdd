"""Settings handed to a child process through its environment."""

import json
import os
from pathlib import Path

from backend.settings import Settings

ALLOCATION = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}
"""For processes that train. glibc gives large blocks back to the kernel as soon as they are free,
and every training step would pay for their pages again (mallopt(3); other libraries ignore it)."""

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


def child_environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment, changed so that a child's `Settings()` equals `settings`.

    The child also finds the packages where this process found them, whatever its folder.
    """
    environment = dict(os.environ)
    prefix = settings.model_config.get("env_prefix", "")
    for name, value in settings.model_dump(mode="json").items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            environment[f"{prefix}{name.upper()}"] = text
    # A child in another folder must not read another `home`.
    environment[f"{prefix}HOME"] = str(settings.home.resolve())
    paths = [str(PACKAGE_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment
