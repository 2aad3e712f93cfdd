"""The API's description as a file."""

import json
from pathlib import Path

from fastapi import FastAPI


def openapi_text(app: FastAPI) -> str:
    """Return the OpenAPI document as it is checked in: sorted, indented, with a final newline."""
    return json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def export_openapi(app: FastAPI, path: Path) -> None:
    """Write the OpenAPI document of `app`."""
    path.write_text(openapi_text(app), encoding="utf-8")
