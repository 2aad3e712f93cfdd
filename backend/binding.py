"""Which addresses the server may listen on while it has no accounts."""

import ipaddress


class UnsafeAddress(Exception):
    """The server was asked to listen where others could reach it."""


def is_loopback(host: str) -> bool:
    """Tell whether `host` can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(host: str, allow_bind: str) -> str:
    """Return `host` if the server may listen there.

    Args:
        host: address to listen on.
        allow_bind: the one address besides loopback that the operator permits
            (EFSNAS_ALLOW_BIND).

    Raises:
        UnsafeAddress: naming the remedy.
    """
    if is_loopback(host) or (allow_bind and host == allow_bind):
        return host
    raise UnsafeAddress(
        f"The server has no accounts yet, so it listens on loopback only, not on {host!r}. "
        f"If something in front of it keeps strangers out, set EFSNAS_ALLOW_BIND={host}."
    )
