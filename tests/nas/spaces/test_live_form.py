from nas.spaces import catalogue

SPACE = catalogue()["digits-mini"]


def test_live_forms_are_equal_exactly_where_dead_decisions_differ() -> None:
    # Without 2<-1, nothing reads node 1.
    assert SPACE.live_form(("nor_conv_3x3", "skip_connect", "none")) == (
        "",
        "skip_connect",
        "",
    )
    assert SPACE.live_form(("none", "none", "none")) == ("", "", "")
    assert SPACE.live_form(("nor_conv_3x3", "none", "nor_conv_1x1")) == (
        "nor_conv_3x3",
        "",
        "nor_conv_1x1",
    )
    chain = catalogue()["mobilenet-proxyless"]
    member = tuple(names[0] for names in chain.choices)
    assert chain.live_form(member) == member
