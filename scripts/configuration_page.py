"""Print docs/configuration.md, made from the settings themselves.

.venv/bin/python scripts/configuration_page.py > docs/configuration.md
"""

from pathlib import Path

from pydantic_core import PydanticUndefined, to_json

from backend.cli.client import DEFAULT_URL
from backend.settings import Settings

HEAD = """# Configuration

Every setting is an environment variable; there is no configuration file. Lists are JSON.

Of the server and its processes:

| variable | default | meaning |
|---|---|---|
"""
TAIL = f"""
Of the command line, for the commands that ask a server:

| variable | default | meaning |
|---|---|---|
| `EFSNAS_URL` | `{DEFAULT_URL}` | Address of the server. |
"""


def main() -> None:
    """Print the page."""
    print(HEAD, end="")
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        assert default is not PydanticUndefined
        shown = str(default) if isinstance(default, str | Path) else to_json(default).decode()
        assert field.description, f"{name} has no description"
        cell = f"`{shown}`" if shown not in ("", "null") else ""
        print(f"| `EFSNAS_{name.upper()}` | {cell} | {field.description} |")
    print(TAIL, end="")


if __name__ == "__main__":
    main()
