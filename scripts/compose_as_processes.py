"""Run the services of docker-compose.yml as plain processes and submit one short run over REST.

The commands, their environment, their order and the API's health check are those of the compose
file; only addresses, folders and the device are this machine's. The database and the Redis keys
are the script's own and are removed at the end. Everything is bounded in time.
"""

import argparse
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
import yaml
from sqlalchemy import make_url

ROOT = Path(__file__).parents[1]
SERVICES = ("migrate", "api", "worker", "reaper")
RUN: dict[str, Any] = {  # Any: JSON
    "name": "compose check",
    "space": "digits-mini",
    "dataset": "digits",
    "benchmark": "digits-mini",
    "splitter": {"kind": "nonlinearity", "num_subspaces": 2},
    "training": {"steps": 200, "warm_up_steps": 100, "batch_size": 32},
    "ranking": {"num_architectures": 20, "live_architectures": 5, "every_steps": 100},
    "search": {"kind": "random", "budget": 10},
}


class CheckFailed(Exception):
    """The deployment did not do what its compose file promises."""


def main() -> None:
    """Parse the arguments, run the check, print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--database-url",
        default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
        help="a database whose user may create others",
    )
    parser.add_argument("--redis-url", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--seconds", type=float, default=240.0, help="bound of the whole check")
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    with (
        tempfile.TemporaryDirectory(prefix="efsnas-compose-") as home,
        own_database(arguments.database_url) as database_url,
        own_keys(arguments.redis_url) as prefix,
    ):
        place = {
            "EFSNAS_HOME": home,
            "EFSNAS_DATABASE_URL": database_url,
            "EFSNAS_REDIS_URL": arguments.redis_url,
            "EFSNAS_REDIS_PREFIX": prefix,
            "EFSNAS_HOST": "127.0.0.1",
            "EFSNAS_PORT": str(free_port()),
            "EFSNAS_DEVICE": "cpu",
        }
        check(place, Path(home), deadline)


def check(place: dict[str, str], home: Path, deadline: float) -> None:
    """Start every service, run the experiment, stop every service.

    Args:
        place: settings of this machine, which go before those of the compose file.
        home: folder for the services' output.
        deadline: in `time.monotonic()` seconds.

    Raises:
        CheckFailed: with the end of each service's output.
    """
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in SERVICES:
            running[name] = start(services[name], place, home / f"{name}.log")
            if name == "migrate":
                wait(lambda: running["migrate"].poll() is not None, deadline, "migrate to end")
                require_exit(running.pop("migrate"), "migrate")
            elif name == "api":
                wait(lambda: healthy(services["api"], place, running), deadline, "a healthy api")
            print(f"{name}: {' '.join(services[name]['command'])}", flush=True)
        run = execute(f"http://127.0.0.1:{place['EFSNAS_PORT']}/api/v1", running, deadline)
        print(f"run {run['id']} {run['state']}", flush=True)
        for name in reversed(running):
            stop(running[name], name, grace_seconds(services[name]))
            print(f"{name}: stopped", flush=True)
    except CheckFailed:
        for log in sorted(home.glob("*.log")):
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
            print(f"---- {log.stem}\n{tail}", file=sys.stderr)
        raise
    finally:
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def start(service: dict[str, Any], place: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a service's command in a process group of its own, as a container would be."""
    with log.open("wb") as output:
        return subprocess.Popen(
            local(service["command"]),
            env=environment(service, place),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def local(command: list[str]) -> list[str]:
    """Find the command's program beside this Python."""
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def environment(service: dict[str, Any], place: dict[str, str]) -> dict[str, str]:
    """Return the shell's variables, under the compose file's, under this machine's."""
    shell = {name: value for name, value in os.environ.items() if not name.startswith("EFSNAS_")}
    # Compose fills in ${NAME} and ${NAME:?message}; every such value is an address or a password,
    # which `place` replaces.
    composed = {
        name: re.sub(r"\$\{(\w+)[^}]*\}", r"\1", str(value))
        for name, value in service.get("environment", {}).items()
    }
    return shell | composed | place


def healthy(
    service: dict[str, Any], place: dict[str, str], running: dict[str, "subprocess.Popen[bytes]"]
) -> bool:
    """Run the service's own health check once."""
    require_alive(running)
    form, *command = service["healthcheck"]["test"]
    assert form == "CMD"
    done = subprocess.run(
        local(command),
        env=environment(service, place),
        capture_output=True,
        timeout=30,
        check=False,
    )
    return done.returncode == 0


def execute(
    address: str, running: dict[str, "subprocess.Popen[bytes]"], deadline: float
) -> dict[str, Any]:
    """Submit the run and wait until it has succeeded with everything that it promises."""
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        answer = client.post("/runs", json=RUN)
        if answer.status_code != 201:
            raise CheckFailed(f"POST /runs answered {answer.status_code}: {answer.text}")
        path = f"/runs/{answer.json()['id']}"

        def read() -> dict[str, Any]:
            require_alive(running)
            found: dict[str, Any] = client.get(path).raise_for_status().json()
            return found

        active = ("queued", "running")
        wait(lambda: read()["state"] not in active, deadline, "the run to end")
        run = read()
        if run["state"] != "succeeded":
            raise CheckFailed(f"the run ended {run['state']}: {json.dumps(run, indent=1)}")
        for part in ("correlations", "candidates", "balance", "scores"):
            if not rows(client.get(f"{path}/{part}").raise_for_status().json()):
                raise CheckFailed(f"{path}/{part} is empty after success")
        return run


def rows(page: Any) -> Any:  # Any: JSON, a list or a page of one
    """Return the rows of a list that may be paged."""
    return page["items"] if isinstance(page, dict) and "items" in page else page


def wait(condition: Any, deadline: float, what: str) -> None:
    """Ask twice a second until `condition` holds."""
    while not condition():
        if time.monotonic() > deadline:
            raise CheckFailed(f"out of time while waiting for {what}")
        time.sleep(0.5)


def require_alive(running: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """Raise if a service that must go on has ended."""
    for name, process in running.items():
        if process.poll() is not None:
            raise CheckFailed(f"{name} ended by itself with exit code {process.returncode}")


def require_exit(process: "subprocess.Popen[bytes]", name: str) -> None:
    """Raise unless the process ended well."""
    if process.returncode != 0:
        raise CheckFailed(f"{name} ended with exit code {process.returncode}")


def stop(process: "subprocess.Popen[bytes]", name: str, grace: float) -> None:
    """End a service as Compose does, and insist that it goes in time and in order."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"{name} was still there {grace} s after SIGTERM") from error
    if process.returncode not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
        raise CheckFailed(f"{name} answered SIGTERM with exit code {process.returncode}")


def grace_seconds(service: dict[str, Any]) -> float:
    """Return how long Compose waits before it kills the service; its default is 10 s."""
    return float(str(service.get("stop_grace_period", "10s")).removesuffix("s"))


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """Create a database, yield its URL, and drop it."""
    name = f"efsnas_compose_{secrets.token_hex(6)}"
    server = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
        try:
            yield make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def own_keys(url: str) -> Iterator[str]:
    """Yield a prefix for keys in Redis, and delete every key that has it."""
    prefix = f"efsnas-compose-{secrets.token_hex(6)}:"
    with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
        client.ping()
        try:
            yield prefix
        finally:
            for key in client.scan_iter(f"{prefix}*"):
                client.delete(key)


if __name__ == "__main__":
    try:
        main()
    except CheckFailed as failure:
        sys.exit(f"failed: {failure}")
