from urllib.parse import parse_qsl, urlsplit

import pytest
from dash import no_update

from backend.errors import Unprocessable
from backend.settings import Settings
from frontend.context import Context
from frontend.pages import links
from frontend.pages.form_parts import place_errors
from frontend.pages.new_run import changed, create, run_form, started_with


def test_the_link_of_a_preview_fills_in_space_splitter_and_width():
    splitter = {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [1]}
    address = links.new_run_with("my-cell@2", splitter, {"width": 5})
    spec = started_with(dict(parse_qsl(urlsplit(address).query)))
    assert (spec["space"], spec["supernet"]["width"]) == ("my-cell@2", 5)
    assert spec["splitter"]["thresholds"] == [1]
    assert spec["benchmark"] is None  # that of the form belongs to another space
    assert started_with({"space": "digits-mini@1"})["benchmark"] == "digits-mini"


def test_the_link_of_a_preview_of_weight_banks_starts_a_run_with_them():
    splitter = {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [3]}
    supernet = {"width": 5, "routing": "accumulated", "cells_per_stage": 3, "shared_cells": 1}
    address = links.new_run_with("digits-mini", splitter, supernet)
    spec = started_with(dict(parse_qsl(urlsplit(address).query)))
    assert spec["supernet"] == {**supernet, "reduction": "pooled", "parent_width": None}
    assert (spec["training"]["steps"], spec["training"]["warm_up_steps"]) == (3000, 0)


@pytest.mark.parametrize(
    "given",
    [
        {"splitter": "{"},
        {"splitter": '{"kind": "other"}'},
        {"supernet": '{"width": "many"}'},
        {"supernet": "5"},
        {"supernet": "{'width': 5}"},
    ],
)
def test_an_address_that_makes_no_spec_is_refused(given):
    with pytest.raises(Unprocessable):
        started_with(given)


@pytest.mark.parametrize("kind", ["stand-alone", "benchmark"])
def test_a_landmark_outside_the_space_is_refused_at_the_input_that_shows(served_db, kind):
    choice = {"kind": "fixed", "architectures": ["|nor_conv_3x3~0|", "|conv~0|"]}
    document = started_with({}) | {"landmarks": {"kind": kind, "choice": choice}}
    run_id, errors = create(Context(settings=Settings(), db=served_db), document, None)
    assert run_id is None
    placed, rest = place_errors(run_form(), errors, document)
    assert rest == []
    ((key, message),) = placed.items()
    assert key == "landmarks.choice[fixed].architectures"
    assert message.startswith("outside the space: '|nor_conv_3x3~0|' is no architecture of digits")


def test_only_inputs_that_show_something_else_are_set():
    values = ["first", "", "", 5, True, ""]
    assert changed(values, ["first", None, "", 4, False, "once"]) == [
        no_update,
        no_update,
        no_update,
        5,
        True,
        "",
    ]
