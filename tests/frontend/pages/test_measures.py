from frontend.pages.run.measures import measure_tables
from tests.frontend import made
from tests.frontend.pages.test_panels import words


def shown(rows, **changes):
    return words(
        measure_tables(made.run(**changes), subspaces=made.subspaces(1, 1), rankings=rows)
    )


def row_of(texts, title, columns):
    """The cells of the table's row with this title."""
    place = texts.index(title) + 1
    return texts[place : place + columns]


def test_every_measure_stands_in_a_row_overall_and_by_sub_space():
    texts = shown(
        [
            made.correlation(0.6, n=50, ties=4, weighted_tau=0.7),
            made.correlation(0.3, scope="1", n=20),
            made.correlation(0.2, scope="0", n=30),
        ]
    )
    assert "Newest live round, by loss (step 100) · noise ceiling 0.80" in texts
    head = texts.index("all sub-spaces")
    assert texts[head : head + 3] == ["all sub-spaces", "count 0", "count 1"]
    assert row_of(texts, "architectures", 3) == ["50", "30", "20"]
    assert row_of(texts, "tied pairs", 1) == ["4 by score, 0 by truth"]
    assert row_of(texts, "Kendall τ-b", 6) == [
        *("0.600", "[0.500, 0.700]"),
        *("0.200", "[0.100, 0.300]"),
        *("0.300", "[0.200, 0.400]"),
    ]
    assert row_of(texts, "weighted τ", 2) == ["0.700", "[0.600, 0.800]"]
    assert row_of(texts, "regret in the pool (percentage points)", 2) == ["0.60", ""]
    assert row_of(texts, "best by prediction", 2) == [
        "91.50 %, true rank 3 of 116",
        "|nor_conv_3x3~0|",
    ]
    assert "split validation" in texts


def test_the_final_ranking_and_the_newest_complete_round_are_shown():
    texts = shown(
        [
            made.correlation(0.1, step=100),
            made.correlation(0.2, step=200),
            made.correlation(0.3, step=300, scope="1"),
            made.correlation(0.9, step=1000, stage="final"),
        ]
    )
    titles = [text for text in texts if "by loss" in text]
    assert [title.split(" ·")[0] for title in titles] == [
        "After training, by loss (step 1,000)",
        "Newest live round, by loss (step 200)",
    ]
    assert {"0.900", "0.200"} <= set(texts)
    assert not {"0.100", "0.300"} & set(texts)


def test_what_is_undefined_is_called_so_with_its_reason():
    texts = shown([made.correlation(None, n=2)])
    assert row_of(texts, "Kendall τ-b", 2) == ["undefined", "All scores are equal."]
    assert row_of(texts, "best by prediction", 1) == ["undefined"]
    assert "0.000" not in texts
    assert "nan" not in texts


def test_a_part_has_its_own_number_of_architectures():
    row = made.correlation(0.5, n=50)
    part = row.measures["tau-top-10-percent"].model_copy(update={"num_architectures": 5})
    row = row.model_copy(update={"measures": {**row.measures, "tau-top-10-percent": part}})
    texts = shown([row])
    assert row_of(texts, "τ-b, top 10 %", 2) == ["0.500", "[0.400, 0.600] n = 5"]


def test_before_the_first_round_there_is_a_sentence():
    assert shown([]) == ["No rank correlation has been computed yet."]


def test_an_unknown_noise_ceiling_is_called_unknown():
    texts = shown([made.correlation(0.5)], noise_ceiling=None)
    assert any(text.endswith("noise ceiling unknown") for text in texts)
