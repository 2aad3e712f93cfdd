import base64
import json

import pytest

from backend.errors import Unprocessable
from backend.paging import decode_cursor, encode_cursor


def test_a_cursor_gives_back_its_keys():
    assert decode_cursor(encode_cursor("runs", [7, "loss~0|"]), "runs", int, str) == (7, "loss~0|")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "zz",
        "ü",
        encode_cursor("runs", [1]),
        encode_cursor("runs", ["1", "2"]),
        encode_cursor("runs", [1, 2]),
        encode_cursor("units", [1, "x"]),
        base64.urlsafe_b64encode(json.dumps({"a": 1}).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([True, "x"]).encode()).decode(),
    ],
)
def test_anything_else_is_refused(cursor: str):
    with pytest.raises(Unprocessable) as refused:
        decode_cursor(cursor, "runs", int, str)
    assert refused.value.field == "cursor"
