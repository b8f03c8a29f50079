"""Means, paired differences and intervals of studies, and their charts read back."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb, to_rgba
from scipy import stats

from imbalance_tf.evaluation.figures import (
    dice_by_arm,
    dice_by_length,
    difference_to,
    volumes_by_arm,
)
from imbalance_tf.evaluation.figures.style import STRATEGIES, arm_styles
from imbalance_tf.evaluation.intervals import (
    agreement,
    arm_table,
    by_case,
    decided,
    in_words,
    interval,
    paired_differences,
    verdicts,
)

REGIONS = ["whole", "core"]


def _results(arms, *, cases=8, seeds=2, batches=(1000,), seed=0):
    """A table as `run_study` gives it, with any values."""
    generator = np.random.default_rng(seed)
    rows = [
        ("mine", arm, length, case % 2, one, f"case {case}", region)
        for arm in arms
        for length in batches
        for one in range(seeds)
        for case in range(cases)
        for region in REGIONS
    ]
    names = ["study", "arm", "batches", "fold", "seed", "case", "region"]
    return pd.DataFrame(rows, columns=names).assign(
        dice=generator.uniform(0.2, 0.9, len(rows)),
        **{"volume ratio": 2 ** generator.normal(size=len(rows))},
    )


def _values(results, arm, region, column="dice"):
    """Of each case the mean over the seeds, case by case: the slow obvious way."""
    rows = results[(results.arm == arm) & (results.region == region)]
    return np.array([rows[rows.case == case][column].mean() for case in rows.case.unique()])


def test_the_interval_is_scipys_bootstrap():
    values = np.random.default_rng(0).exponential(size=15)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=100_000, method="percentile", rng=np.random.default_rng(9)
    ).confidence_interval
    width = expected.high - expected.low
    assert interval(values) == pytest.approx((expected.low, expected.high), abs=0.03 * width)
    assert interval(values) == interval(list(values)), "the same every time"


def test_of_many_values_it_is_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 2, size=2000)
    half = 1.959964 * values.std(ddof=1) / 2000**0.5
    assert interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=5e-3)


def test_it_holds_the_true_mean_nineteen_times_in_twenty():
    generator = np.random.default_rng(0)
    samples = generator.normal(1, 1, size=(200, 40))
    hits = sum(low <= 1 <= high for low, high in map(interval, samples))
    assert 0.89 <= hits / 200 <= 0.99


@pytest.mark.parametrize("values", [[], [0.5], [np.nan, 0.5, np.nan], [np.nan]])
def test_fewer_than_two_values_have_no_interval(values):
    assert np.isnan(interval(values)).all()


def test_undefined_values_do_not_move_it():
    values = [0.1, 0.4, 0.5, 0.9]
    assert interval([*values, np.nan, np.nan]) == interval(values)


def test_the_seeds_of_a_case_are_averaged_before_the_cases():
    """One case was trained ten times, and weighs no more than the others."""
    results = _results(["balanced"], cases=3, seeds=1)
    extra = pd.concat(
        [results[results.case == "case 0"].assign(seed=n, dice=0.0) for n in range(9)]
    )
    results = pd.concat([results, extra], ignore_index=True)
    first = results[(results.case == "case 0") & (results.region == "core")].dice
    others = results[(results.case != "case 0") & (results.region == "core")].dice
    table = arm_table(results, REGIONS)
    assert table.loc[("balanced", "core"), "dice"] == pytest.approx(
        (first.mean() + others.sum()) / 3
    )
    assert table.loc[("balanced", "core"), "cases"] == 3


def test_the_table_holds_what_is_computed_by_hand():
    results = _results(["b", "a", "c"])
    table = arm_table(results, REGIONS)
    assert list(table.index) == [(arm, region) for arm in "bac" for region in REGIONS]
    for (arm, region), row in table.iterrows():
        values = _values(results, arm, region)
        assert row["dice"] == pytest.approx(values.mean())
        assert (row["low"], row["high"]) == pytest.approx(interval(values))
        assert row["cases"] == 8
    table = arm_table(results, REGIONS, "volume ratio")
    logs = results.assign(log=np.log2(results["volume ratio"]))
    for (arm, region), row in table.iterrows():
        values = _values(logs, arm, region, "log")
        assert np.log2(row["volume"]) == pytest.approx(values.mean())
        assert (np.log2(row["low"]), np.log2(row["high"])) == pytest.approx(interval(values))


def test_volumes_are_cut_where_a_case_has_hardly_any_true_voxel():
    results = _results(["a"], cases=2, seeds=1)
    results["volume ratio"] = np.where(results.case == "case 0", 4000.0, 0.0)
    cut = by_case(results, "volume ratio").loc["core", "a"]
    assert cut.to_dict() == pytest.approx({"case 0": np.log2(20), "case 1": -np.log2(20)})
    table = arm_table(results, REGIONS, "volume ratio")
    assert table.loc[("a", "core"), "volume"] == pytest.approx(1)


@pytest.mark.parametrize("part", ["batches", "cohort"])
def test_several_lengths_or_cohorts_are_not_averaged(part):
    results = _results(["a"]).assign(cohort="usual")
    both = pd.concat([results, results.assign(**{part: "other"})])
    with pytest.raises(ValueError, match=rf"results of 2 {part}; one at a time is expected"):
        arm_table(both, REGIONS)


def test_a_difference_is_paired_by_case():
    """Cases differ wildly, the arms by 0.1 in each: the interval is that of the differences."""
    results = _results(["easy", "balanced"], cases=12, seeds=1)
    easy = results.arm == "easy"
    level = np.tile(np.repeat(np.linspace(0, 0.9, 12), 2), 2)  # of a case, whatever the arm
    noise = np.random.default_rng(0).normal(0, 0.002, len(results))
    results["dice"] = level + 0.1 * easy + noise
    # In another order of cases for one of the arms, which must not matter.
    results = pd.concat([results[easy].iloc[::-1], results[~easy]], ignore_index=True)
    for region in REGIONS:
        row = paired_differences(results, REGIONS, "balanced").loc[("easy", region)]
        assert row["difference"] == pytest.approx(0.1, abs=0.003)
        assert row["high"] - row["low"] < 0.01
        assert row["low"] <= row["difference"] <= row["high"]
        low, high = interval(_values(results, "easy", region))
        assert high - low > 0.2, "without pairing nothing could be told"


def test_cases_without_a_dice_are_left_out_of_both_arms_and_counted():
    results = _results(["a", "b"], cases=6, seeds=1)
    core = results.region == "core"
    results.loc[core & (results.arm == "a") & (results.case == "case 0"), "dice"] = np.nan
    results.loc[core & (results.arm == "b") & (results.case == "case 1"), "dice"] = np.nan
    table = arm_table(results, REGIONS)
    assert table["cases"].to_dict() == {
        ("a", "whole"): 6,
        ("a", "core"): 5,
        ("b", "whole"): 6,
        ("b", "core"): 5,
    }
    a, b = _values(results, "a", "core"), _values(results, "b", "core")
    row = paired_differences(results, REGIONS, "b").loc[("a", "core")]
    assert row["cases"] == 4
    assert row["difference"] == pytest.approx((a[2:] - b[2:]).mean())
    assert (row["low"], row["high"]) == pytest.approx(interval(a[2:] - b[2:]))
    assert table.loc[("a", "core"), "dice"] == pytest.approx(a[1:].mean())


def test_a_case_may_have_the_name_of_an_arm():
    results = _results(["random", "other"])
    renamed = results.assign(case=results["case"].replace("case 1", "random"))
    pd.testing.assert_frame_equal(arm_table(renamed, REGIONS), arm_table(results, REGIONS))
    pd.testing.assert_frame_equal(
        paired_differences(renamed, REGIONS, "random"),
        paired_differences(results, REGIONS, "random"),
    )
    dice_by_arm(renamed, REGIONS)


def test_what_has_no_interval_is_decided_by_no_chance():
    table = pd.DataFrame({"low": [0.1, -0.2, np.nan], "high": [0.3, 0.2, np.nan]})
    assert decided(table).endswith("about 0.1 or more would still be decided.")
    assert decided(table[2:]).endswith("about 0.0 or more would still be decided.")


def test_agreement_is_of_what_both_have():
    index = pd.MultiIndex.from_product([["hard", "random"], REGIONS], names=["arm", "region"])
    ours = pd.DataFrame(
        {"difference": 0.1, "low": [0.05, -0.1, 0.05, -0.2], "high": [0.2, 0.2, 0.2, 0.3]}, index
    )
    found = agreement(ours, ours.iloc[[2, 1]])
    assert found.index.tolist() == [("random", "whole"), ("hard", "core")]
    assert found["together"].tolist() == ["they agree", "both are undecided"]
    assert found["study"].tolist() == found["patients"].tolist() == [0.1, 0.1]


def test_one_case_has_a_mean_and_no_interval():
    row = paired_differences(_results(["a", "b"], cases=1), REGIONS, "b").loc[("a", "core")]
    assert np.isfinite(row["difference"])
    assert np.isnan([row["low"], row["high"]]).all()


def test_an_arm_or_a_region_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="to='c'; 'a' or 'b' is expected"):
        paired_differences(_results(["a", "b"]), REGIONS, "c")
    with pytest.raises(ValueError, match=r"region='hole'; '.* is expected"):
        arm_table(_results(["a", "b"]), ["hole"])


# The charts. What they show is read back from the marks.

ARMS = ["random", "balanced", "hard", "half healthy", "SMOTE"]


def _marks(axis):
    """The marked means of a panel: (x, row) of each, and the ends of its interval."""
    lines = axis.get_lines()
    means = [line for line in lines if line.get_marker() not in ("|", "None", "", None)]
    bars = [line for line in lines if line.get_linewidth() == 2]
    assert len(means) == len(bars)
    return [
        (mean.get_xdata()[0], mean.get_ydata()[0], *bar.get_xdata(), mean, bar)
        for mean, bar in zip(means, bars, strict=True)
    ]


def test_dice_of_every_arm_and_case_stands_where_it_is():
    results = _results(ARMS)
    results.loc[(results.arm == "hard") & (results.case == "case 3"), "dice"] = np.nan
    figure = dice_by_arm(results, REGIONS)
    assert [axis.get_title() for axis in figure.axes] == REGIONS
    assert figure.get_supxlabel() == "Dice"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ARMS
    table = arm_table(results, REGIONS)
    for axis, region in zip(figure.axes, REGIONS, strict=True):
        cases = [line for line in axis.get_lines() if line.get_marker() == "|"]
        for row, (arm, line) in enumerate(zip(ARMS, cases, strict=True)):
            values = _values(results, arm, region)
            np.testing.assert_allclose(line.get_xdata(), values[~np.isnan(values)])
            assert (line.get_ydata() == row).all()
            assert len(line.get_xdata()) == (7 if arm == "hard" else 8)
        for row, (arm, mark) in enumerate(zip(ARMS, _marks(axis), strict=True)):
            expected = table.loc[(arm, region), ["dice", "low", "high"]]
            assert mark[:4] == pytest.approx((expected.dice, row, expected.low, expected.high))
            style = arm_styles(ARMS)[arm]
            assert mark[4].get_marker() == style["marker"]
            colours = [to_rgba(each.get_color()) for each in mark[4:6]]
            assert colours == [to_rgba(style["color"])] * 2
        assert axis.get_ylim() == (4.5, -0.5), "the first arm is on top"


def test_differences_leave_out_the_arm_they_are_to_and_mark_zero():
    results = _results(ARMS)
    figure = difference_to(results, REGIONS, "half healthy")
    assert figure.get_supxlabel() == "Dice minus that of half healthy"
    others = [arm for arm in ARMS if arm != "half healthy"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == others
    table = paired_differences(results, REGIONS, "half healthy")
    for axis, region in zip(figure.axes, REGIONS, strict=True):
        assert list(axis.get_lines()[0].get_xdata()) == [0, 0]
        for row, (arm, mark) in enumerate(zip(others, _marks(axis), strict=True)):
            expected = table.loc[(arm, region), ["difference", "low", "high"]]
            assert mark[:4] == pytest.approx(
                (expected.difference, row, expected.low, expected.high)
            )


def test_volumes_are_geometric_means_on_a_logarithmic_axis():
    results = _results(ARMS)
    figure = volumes_by_arm(results, REGIONS)
    assert figure.get_supxlabel() == "predicted / true volume"
    logs = results.assign(log=np.log2(results["volume ratio"]))
    for axis, region in zip(figure.axes, REGIONS, strict=True):
        assert axis.get_xscale() == "log"
        assert list(axis.get_lines()[0].get_xdata()) == [1, 1]
        assert axis.get_xlim()[0] < 0.5 < 2 < axis.get_xlim()[1]  # two ticks beside 1
        for row, (arm, mark) in enumerate(zip(ARMS, _marks(axis), strict=True)):
            values = _values(logs, arm, region, "log")
            low, high = interval(values)
            assert mark[:4] == pytest.approx((2 ** values.mean(), row, 2**low, 2**high))


@pytest.mark.parametrize("lengths", [(1000, 2000), (1000, 1050), (10, 20_000), (500,)])
@pytest.mark.parametrize("arms", [2, 24])
def test_however_many_arms_are_drawn_a_mark_lies_at_its_own_length(arms, lengths):
    names = [f"arm {number}" for number in range(arms)]
    figure = dice_by_length(_results(names, batches=lengths), REGIONS)
    for axis in figure.axes[: len(REGIONS)]:
        assert len(axis.containers) == arms
        for bars in axis.containers:
            drawn = np.asarray(bars.lines[0].get_xdata(), float)
            distance = np.abs(np.log(drawn[:, None] / np.array(lengths)))
            assert distance.argmin(axis=1).tolist() == list(range(len(lengths)))
            assert distance.min(axis=1).max() < 0.5


def test_dice_is_drawn_against_the_length_of_training():
    lengths = (250, 1000, 4000)
    results = _results(ARMS[:3], batches=lengths)
    figure = dice_by_length(results, REGIONS)
    for axis, region in zip(figure.axes, REGIONS, strict=True):
        assert [label.get_text() for label in axis.get_xticklabels()] == ["250", "1,000", "4,000"]
        assert axis.get_xlabel() == "batches"
        for arm, bars in zip(ARMS[:3], axis.containers, strict=True):
            line, caps, _ = bars.lines
            assert bars.get_label() == arm
            tables = [arm_table(results[results.batches == n], REGIONS) for n in lengths]
            rows = pd.DataFrame([table.loc[(arm, region)] for table in tables])
            drawn = np.array([each.get_ydata() for each in (line, *caps)], float)
            np.testing.assert_allclose(drawn, rows[["dice", "low", "high"]].T)
            np.testing.assert_allclose(line.get_xdata(), lengths, rtol=0.05)
    assert figure.axes[0].get_ylabel() == "Dice"


MANY = ["random", "balanced", "hard", *(f"an arm with a long name, {n}" for n in range(21))]


@pytest.mark.parametrize(
    "chart", [dice_by_arm, volumes_by_arm, lambda *data: difference_to(*data, MANY[5])]
)
@pytest.mark.parametrize("count", [2, 24])
def test_no_name_of_an_arm_lies_over_another_or_outside(chart, count):
    arms = MANY[-count:] if count == 2 else MANY
    results = _results([*arms, MANY[5]] if count == 2 else arms, cases=3, seeds=1)
    figure = chart(results, REGIONS)
    figure.draw_without_rendering()
    texts = [figure._supxlabel]
    for axis in figure.axes:
        texts += [axis.title, *_shown(axis), *axis.get_yticklabels()]
    texts = [text for text in texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    assert len(boxes) > len(arms) + 2 * len(REGIONS)
    assert not [(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :] if _overlap(a, b)]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)


def _shown(axis):
    """The tick labels of the x axis that lie in its limits."""
    low, high = sorted(axis.get_xlim())
    return [
        label
        for place, label in zip(axis.get_xticks(), axis.get_xticklabels(), strict=True)
        if low <= place <= high and label.get_text()
    ]


def _overlap(one, other):
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0) > 0.5
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.5
    )


def test_an_arm_without_every_length_is_drawn_where_it_has_values():
    results = _results(["random", "late"], batches=(100, 1000))
    results = results[(results["arm"] == "random") | (results["batches"] == 1000)]
    figure = dice_by_length(results, REGIONS)
    drawn = [bars.lines[0].get_ydata() for bars in figure.axes[0].containers]
    assert [np.isnan(np.asarray(values, float)).sum() for values in drawn] == [0, 1]


@pytest.mark.bad_input
def test_a_difference_needs_another_arm():
    with pytest.raises(ValueError, match=r"arms=\['random'\]; two arms or more is expected"):
        difference_to(_results(["random"]), REGIONS, "random")


@pytest.mark.parametrize("spread", [0.2, 1, 4])
def test_the_volume_axis_has_a_tick_at_one_and_on_both_sides(spread):
    results = _results(["random", "balanced"])
    results["volume ratio"] **= spread
    for axis in volumes_by_arm(results, REGIONS).axes:
        low, high = axis.get_xlim()
        ticks = axis.get_xticks()
        assert 1 in ticks
        assert low <= ticks.min() < 1 < ticks.max() <= high


def test_every_arm_has_its_own_colour_and_marker():
    styles = arm_styles(MANY)
    assert list(styles) == MANY
    assert len({(style["color"], style["marker"]) for style in styles.values()}) == 24


def test_colours_stand_out_from_white():
    """A contrast of 3:1, as WCAG 2 asks of what carries meaning in a picture."""

    def contrast(colour):
        channels = np.array(to_rgb(colour))
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)

    assert contrast("white") == pytest.approx(1)
    assert contrast("black") == pytest.approx(21)
    # Those of the paper's three have dark edges instead.
    colours = {style["color"] for name, style in arm_styles(MANY).items() if name not in STRATEGIES}
    assert len(colours) == 7
    assert {colour: contrast(colour) for colour in colours if contrast(colour) < 3} == {}


def test_a_difference_is_decided_where_its_whole_interval_lies_on_one_side():
    index = pd.MultiIndex.from_product([["a", "b"], ["whole", "core"]], names=["arm", "region"])
    columns = {"difference": [0.1, -0.1, 0.1, 0], "low": [0.05, -0.2, -0.1, np.nan]}
    found = pd.DataFrame({**columns, "high": [0.2, -0.05, 0.3, np.nan]}, index)
    assert verdicts(found).tolist() == ["higher", "lower", "undecided", "undecided"]
    assert in_words(found).loc["a"].tolist() == ["+0.100 higher", "-0.100 lower"]
    assert in_words(found).columns.tolist() == ["whole", "core"]
