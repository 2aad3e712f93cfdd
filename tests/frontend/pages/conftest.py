"""A page of a real browser that refuses errors in the console and requests to elsewhere."""

from collections.abc import Iterator
from urllib.parse import urlparse

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, Request, Response, expect

# Generous: a test waits only as long as it must, and the cores may be shared.
PATIENCE_MILLISECONDS = 30_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture
def quiet_page(page: Page) -> Iterator[Page]:
    """A page that must stay on its own origin and log neither error nor warning."""
    complaints: list[str] = []
    hosts: set[str] = set()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"console {message.type}: {message.text}")

    def follow(request: Request) -> None:
        parts = urlparse(request.url)
        if parts.scheme not in ("data", "blob"):
            hosts.add(parts.netloc)

    def answered(response: Response) -> None:
        if response.status >= 400:
            complaints.append(f"{response.status} from {response.url}")

    page.on("console", note)

    def failed(error: Error) -> None:
        complaints.append(f"uncaught: {error}")

    page.on("pageerror", failed)
    page.on("request", follow)
    page.on("response", answered)
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    yield page
    page.remove_listener("console", note)
    page.remove_listener("pageerror", failed)
    page.remove_listener("request", follow)
    page.remove_listener("response", answered)
    assert complaints == []
    assert len(hosts) <= 1, f"requests left the origin: {sorted(hosts)}"
