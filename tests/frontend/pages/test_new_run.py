from urllib.parse import parse_qsl, urlsplit

import pytest

from backend.errors import Unprocessable
from frontend.pages import links
from frontend.pages.new_run import started_with


def test_the_link_of_a_preview_fills_in_space_splitter_and_width():
    splitter = {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [1]}
    address = links.new_run_with("my-cell@2", splitter, 5)
    spec = started_with(dict(parse_qsl(urlsplit(address).query)))
    assert (spec["space"], spec["supernet"]["width"]) == ("my-cell@2", 5)
    assert spec["splitter"]["thresholds"] == [1]
    assert spec["benchmark"] is None  # that of the form belongs to another space
    assert started_with({"space": "digits-mini@1"})["benchmark"] == "digits-mini"


@pytest.mark.parametrize(
    "given", [{"splitter": "{"}, {"splitter": '{"kind": "other"}'}, {"width": "many"}]
)
def test_an_address_that_makes_no_spec_is_refused(given):
    with pytest.raises(Unprocessable):
        started_with(given)
