"""A, B and the percentage, the way to the target, the score, and units; the worked examples of the specification."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader.errors import UsageProblem
from grader.kpi import (
    Figure,
    Placement,
    Standing,
    by_unit,
    figure_of,
    gap,
    more_passes_needed,
    percentage,
    score,
    standing,
)

THRESHOLDS = tuple(Decimal(one) for one in (60, 65, 70, 75, 80))
WORKED = [
    (22, 30, "73.33", "3.6660"),
    (23, 30, "76.67", "4.3340"),
    (24, 30, "80.00", "5.0000"),
    (8, 11, "72.73", "3.5460"),
    (12, 20, "60.00", "1.0000"),
    (11, 20, "55.00", "1.0000"),
    (39, 49, "79.59", "4.9180"),
]


def _score(a: int, b: int, *, weight: str | None = None, no_work_score: int = 1) -> tuple[str, str | None] | None:
    found = score(
        a,
        percentage(a, b),
        scoring="five_level_linear",
        thresholds=THRESHOLDS,
        weight=None if weight is None else Decimal(weight),
        no_work_score=no_work_score,
    )
    return None if found is None else (str(found.value), None if found.weighted is None else str(found.weighted))


@pytest.mark.parametrize(("a", "b", "percent", "value"), WORKED)
def test_worked_examples(a: int, b: int, percent: str, value: str) -> None:
    """Percentage and score of the specification, to the last digit and with its zeros."""
    assert str(percentage(a, b)) == percent
    assert _score(a, b) == (value, None)


def test_no_data_is_neither_0_nor_100() -> None:
    """0/0 has no percentage, no score, no gap and nobody who must pass."""
    empty = Figure(a=0, b=0)
    assert (empty.percent, _score(0, 0), gap(empty, Decimal(80)), more_passes_needed(empty, Decimal(80))) == (None,) * 4


def test_the_weight_applies_to_the_rounded_score() -> None:
    """22/30 with a weight of 20 is 0.7332."""
    assert _score(22, 30, weight="20") == ("3.6660", "0.7332")


def test_what_is_weighted_is_the_printed_score() -> None:
    """62 between 60 and 63 scores 1.6667, of which 50 per cent are 0.83335 and so 0.8334; unrounded it were 0.8333."""
    levels = tuple(Decimal(one) for one in (60, 63, 66, 69, 72))
    found = score(62, Decimal("62.00"), scoring="five_level_linear", thresholds=levels, weight=Decimal(50))
    assert found is not None
    assert (str(found.value), str(found.weighted)) == ("1.6667", "0.8334")


def test_no_work_can_score_0() -> None:
    """Some offices give 0 when nobody passed; a few passes below the first level still score 1."""
    assert _score(0, 20) == ("1.0000", None)
    assert _score(0, 20, no_work_score=0) == ("0.0000", None)
    assert _score(1, 20, no_work_score=0) == ("1.0000", None)


def test_without_scoring_there_is_no_score() -> None:
    """The default compares with the target only."""
    assert score(22, Decimal("73.33"), scoring="none", thresholds=None, weight=Decimal(20)) is None


@pytest.mark.parametrize("levels", [None, (60, 65, 70, 75), (60, 65, 65, 75, 80), (80, 75, 70, 65, 60)])
def test_levels_that_do_not_rise_are_refused(levels: Sequence[int] | None) -> None:
    """Five thresholds, each above the one before, or nothing can be interpolated."""
    thresholds = None if levels is None else [Decimal(one) for one in levels]
    with pytest.raises(UsageProblem) as problem:
        score(1, Decimal(50), scoring="five_level_linear", thresholds=thresholds, weight=None)
    assert problem.value.code == "kpi.thresholds"


@pytest.mark.parametrize(
    ("a", "b", "decimals", "expected"), [(1, 8, 2, "12.50"), (1, 16, 2, "6.25"), (1, 32, 2, "3.13"), (1, 8, 0, "13")]
)
def test_a_half_is_rounded_up(a: int, b: int, decimals: int, expected: str) -> None:
    """3.125 becomes 3.13 and 12.5 becomes 13: never to the even neighbour."""
    assert str(percentage(a, b, decimals)) == expected


@given(st.integers(1, 10**7).flatmap(lambda b: st.tuples(st.integers(0, b), st.just(b))), st.integers(0, 4))
def test_the_percentage_is_the_nearest_and_the_upper_of_two(pair: tuple[int, int], decimals: int) -> None:
    """Against exact fractions: off by at most half a unit of the last digit, and half only upwards."""
    a, b = pair
    found = percentage(a, b, decimals)
    assert found is not None
    off = Fraction(found) - Fraction(100 * a, b)
    half = Fraction(1, 2 * 10**decimals)
    assert -half < off <= half
    assert found.as_tuple().exponent == -decimals


@given(st.decimals(min_value=0, max_value=100, places=2), st.decimals(min_value=0, max_value=100, places=2))
def test_a_better_percentage_never_scores_less(one: Decimal, other: Decimal) -> None:
    """The score rises with the percentage, from 1 to 5."""
    low, high = sorted((one, other))
    scores = [
        score(1, percent, scoring="five_level_linear", thresholds=THRESHOLDS, weight=None) for percent in (low, high)
    ]
    assert scores[0] is not None
    assert scores[1] is not None
    assert 1 <= scores[0].value <= scores[1].value <= 5


# -- the target -------------------------------------------------------------------------------------------------------


def test_a_is_a_part_of_b() -> None:
    """A figure with more passes than people is a bug and no figure."""
    with pytest.raises(ValueError, match="more than"):
        Figure(a=2, b=1)


def test_the_gap_is_that_of_the_printed_figure() -> None:
    """191/250 against 80 lacks 3.60 points and 9 people."""
    of = Figure(a=191, b=250)
    assert (str(of.percent), str(gap(of, Decimal("80.0")))) == ("76.40", "-3.60")
    assert more_passes_needed(of, Decimal("80.0")) == 9


def test_the_printed_figure_is_judged() -> None:
    """2/3 prints 66.67 and so reaches a target of 66.67, which it would miss unrounded."""
    of = Figure(a=2, b=3)
    assert more_passes_needed(of, Decimal("66.67")) == 0
    assert standing(of, Decimal("66.67"), confirmed=True, running=False) == "reached"
    assert more_passes_needed(of, Decimal("66.671")) == 1


@given(
    st.integers(1, 400).flatmap(lambda b: st.tuples(st.integers(0, b), st.just(b))),
    st.decimals(min_value=0, max_value=100, places=3),
    st.integers(0, 3),
)
@example((0, 7), Decimal(100), 2)
@example((3, 3), Decimal(0), 2)
def test_the_number_still_needed_is_the_smallest(pair: tuple[int, int], target: Decimal, decimals: int) -> None:
    """Against trying one after the other: with n more the printed figure reaches the target, with fewer it does not."""
    a, b = pair
    tried = next(n for n in range(b - a + 1) if (percentage(a + n, b, decimals) or 0) >= target)
    assert more_passes_needed(Figure(a=a, b=b, decimals=decimals), target) == tried


@pytest.mark.parametrize(
    ("b", "target", "confirmed", "running", "expected"),
    [
        (0, "80", True, False, "no_data"),
        (10, None, True, False, "no_target"),
        (0, None, False, False, "no_target"),
        (10, "80", False, False, "target_unconfirmed"),
        (10, "80", True, True, "running"),
        (10, "80", True, False, "below"),
        (10, "70", True, False, "reached"),
    ],
)
def test_only_a_confirmed_target_of_a_round_that_is_over_judges(
    b: int,
    target: str | None,
    confirmed: bool,  # noqa: FBT001
    running: bool,  # noqa: FBT001
    expected: Standing,
) -> None:
    """7 of 10 against a target; what is missing is said instead of a judgement."""
    of = Figure(a=7 if b else 0, b=b)
    assert standing(of, None if target is None else Decimal(target), confirmed=confirmed, running=running) == expected


# -- units ------------------------------------------------------------------------------------------------------------


def _people(**units: tuple[int, int]) -> list[Placement]:
    """People of units given as ``unit=(a, b)``."""
    return [
        Placement(
            key=f"{unit}{number}",
            person=f"{unit}{number}",
            enrolment=f"s{unit}{number}",
            unit=unit,
            status="attended",
            result="passed" if number < a else "failed",
            reason="passed" if number < a else "failed",
            in_b=True,
            in_a=number < a,
            seats=1,
            entered_at=None,
            passed_at=None,
        )
        for unit, (a, b) in units.items()
        for number in range(b)
    ]


def test_units_are_added_up_as_people() -> None:
    """1 of 2 and 9 of 10 are 10 of 12, which is 83.33 and not the mean of 50 and 90."""
    table = by_unit(_people(north=(1, 2), south=(9, 10)))
    assert [(row.unit, str(row.figure and row.figure.percent)) for row in table.rows] == [
        ("north", "50.00"),
        ("south", "90.00"),
    ]
    assert (table.total.a, table.total.b, str(table.total.percent)) == (10, 12, "83.33")


@pytest.mark.parametrize(
    ("sizes", "hidden"),
    [
        ({"a": 5, "b": 6, "c": 7}, {}),
        ({"a": 4, "b": 6, "c": 7}, {"a": "small", "b": "protects"}),
        ({"a": 3, "b": 3, "c": 7}, {"a": "small", "b": "small"}),
        ({"a": 1, "b": 2, "c": 7, "d": 8}, {"a": "small", "b": "small", "c": "protects"}),
        ({"a": 4}, {"a": "small"}),
    ],
)
def test_small_units_cannot_be_read_nor_worked_out(sizes: dict[str, int], hidden: dict[str, str]) -> None:
    """A unit under 5 is hidden, and so are others until total less shown no longer tells what it holds."""
    table = by_unit(_people(**{unit: (0, b) for unit, b in sizes.items()}), small_number=5)
    assert {row.unit: row.hidden for row in table.rows if row.figure is None} == hidden
    assert table.total.b == sum(sizes.values())


def test_a_unit_without_people_in_b_is_no_data_and_not_small() -> None:
    """0/0 is shown as no data; it hides nothing and protects nobody."""
    absent = Placement(
        key="x",
        person="x",
        enrolment="sx",
        unit="empty",
        status="no_show",
        result=None,
        reason="no_show",
        in_b=False,
        in_a=False,
        seats=0,
        entered_at=None,
        passed_at=None,
    )
    rows = {row.unit: row for row in by_unit([absent, *_people(a=(1, 5))], small_number=5).rows}
    assert rows["empty"].hidden is None
    assert rows["empty"].figure == Figure(a=0, b=0, counts={"no_show": 1})


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 12), min_size=1), st.integers(0, 6))
def test_hiding_leaves_nothing_small_to_subtract(sizes: dict[str, int], small: int) -> None:
    """Hidden together are nothing, everything, or two units or more with enough people; no small one shows."""
    people = _people(**{unit: (b // 2, b) for unit, b in sizes.items()})
    table = by_unit(people, small_number=small)
    shown = [row.figure.b for row in table.rows if row.figure is not None]
    rest = table.total.b - sum(shown)
    concealed = sum(row.figure is None for row in table.rows)
    assert all(b == 0 or b >= small for b in shown)
    assert concealed == 0 or not any(shown) or (concealed >= 2 and rest >= small)
    assert table.total.counts == figure_of(people).counts
