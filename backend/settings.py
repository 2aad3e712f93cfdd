"""Settings, read once from the environment (prefix EFSNAS_)."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are and how long they may take; units stand in the names."""

    model_config = SettingsConfigDict(env_prefix="EFSNAS_", extra="ignore")

    home: Path = Field(Path("var"), description="Folder of the database and of the artifacts.")
    database_url: str = Field("", description="PostgreSQL for a team; empty: SQLite in `home`.")
    redis_url: str = Field("", description="Empty: the bundled server that `efsnas up` starts.")
    redis_prefix: str = Field("efsnas:", description="Before every key in Redis.")
    artifacts: Path | None = Field(
        None, description="Folder of datasets and checkpoints; empty: `home`/artifacts."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="0 takes any free one.")
    allow_bind: str = Field("", description="The one address besides loopback that may be bound.")
    allowed_hosts: list[str] = Field(
        default_factory=list, description="Host headers accepted besides loopback names."
    )
    max_body_bytes: int = Field(4 * 2**20, gt=0, description="Largest request without a file.")
    max_upload_bytes: int = Field(2 * 2**30, gt=0, description="Largest request with a file.")
    event_poll_seconds: float = Field(
        0.5, gt=0, description="Pause between two looks for events that streams wait for."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="What workers compute on; `auto`: GPUs where there are any."
    )
    min_free_gpu_bytes: int = Field(
        2**30, ge=0, description="A slot begins no unit with less memory free on its GPU."
    )
    min_free_memory_bytes: int = Field(
        2**29, ge=0, description="A slot without a GPU begins no unit with less memory free."
    )
    lease_seconds: float = Field(
        30.0, gt=0, description="After this long without a sign of life a unit is given away."
    )
    renew_seconds: float = Field(10.0, gt=0, description="Between two signs of life.")
    reap_seconds: float = Field(5.0, gt=0, description="Pause between two looks of the reaper.")
    cancel_seconds: float = Field(20.0, gt=0, description="Between the flag, SIGTERM and SIGKILL.")
    record_seconds: float = Field(1.0, gt=0, description="Least time between two transactions.")
    checkpoint_seconds: float = Field(
        20.0, gt=0, description="At most so much work is repeated after a crash."
    )
    max_fruitless_attempts: int = Field(
        3, ge=1, description="Attempts in a row without a new checkpoint that fail a unit."
    )

    prepare_runner: bool = Field(
        True,
        description="Let an idle slot keep a process with torch loaded (some 350 MB), so that the "
        "next run starts at once.",
    )
    resume_free_bytes: int = Field(
        256 * 2**20,
        ge=0,
        description="Room that the disk must have again before a run that it paused goes on.",
    )
    resume_seconds: float = Field(
        30.0, ge=0, description="A run that a full disk paused stays so at least this long."
    )

    @property
    def database(self) -> str:
        """The database's URL, the SQLite default filled in."""
        return self.database_url or f"sqlite:///{(self.home / 'efsnas.sqlite3').resolve()}"

    @property
    def stack_lock(self) -> Path:
        """The file that a server keeps locked while it works in `home`."""
        return self.home / "stack.lock"

    @property
    def artifact_folder(self) -> Path:
        """The folder of datasets and checkpoints."""
        return (self.artifacts or self.home / "artifacts").resolve()
