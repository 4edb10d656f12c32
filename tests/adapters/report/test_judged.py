"""What the judge saw, on the page: every metric with its sentence, its evidence and its interval; and the pauses."""

import html
import re
from dataclasses import replace

import pytest

from slipway.adapters.report.html import HtmlReporter
from slipway.adapters.report.intervals import AxisScale, Mark, draw_chart
from slipway.adapters.report.judged import Judged, list_judged, list_remarks
from slipway.adapters.report.pauses import find_pauses
from slipway.domain.judge.checks import AFTER_PROMOTION
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.rollout.status import HoldReason, Moment, Phase
from slipway.domain.verdict import Outcome, Verdict

RATIOS = AxisScale(low=0.25, high=4.0, log=True, tell="{:.3g}x".format)
BOTH = "both versions fail together (stable on 40 %): a dependency is down: the weights stay until it is over"
ROUTE = "the router sent 30 % of 1,000 requests to the canary instead of 10 %: the weights stay"


def section(text: str) -> str:
    """Return the page's section on the judge."""
    return text[text.index("<h2>What the judge saw") : text.index("<h2>Gates")]


def by_check(record: ReleaseRecord) -> dict[str, Judged]:
    """Return what is shown, by metric."""
    return {one.verdict.title: one for one in list_judged(record)}


def shifting(at: float, reason: str, hold: HoldReason | None = None, phase: Phase = Phase.SHIFTING) -> Moment:
    """Return a look at 10 percent."""
    return Moment(at=at, phase=phase, weight_percent=10, reason=reason, hold=hold)


def test_every_metric_has_a_row_with_its_outcome(records: dict[str, ReleaseRecord], pages: dict[str, str]) -> None:
    """In the judge's order: errors first."""
    record = records["everything"]

    rows = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in section(pages["everything"]).split("<tr>")[2:]]

    assert [row[0] for row in rows] == [verdict.title for verdict in record.judged]
    assert len(rows) == 13
    for row, verdict in zip(rows, record.judged, strict=True):
        assert f">{verdict.outcome.value.replace('_', ' ')}</span>" in row[1]
        assert html.escape(verdict.reason, quote=False) in html.unescape(row[2])


def test_an_interval_is_drawn_and_said_in_words(pages: dict[str, str]) -> None:
    """A reader that sees no picture hears the ratio, its interval, the margin and the tolerance."""
    charts = re.findall(r'<svg class="interval \w+"[^>]*role="img" aria-label="([^"]*)"', section(pages["everything"]))

    assert len(charts) == 8
    assert re.fullmatch(
        r"latency: [\d.]+x \([\d.]+x to [\d.]+x\); margin 1.25x; tolerance 2x",
        next(one for one in charts if one.startswith("latency")),
    )
    assert any(one.startswith("scores: ") and one.endswith("tolerance -0.5; margin 0; tolerance 0.5") for one in charts)
    assert any(one.startswith("shadow disagreement: ") and one.endswith("limit 2 %") for one in charts)


def test_the_pages_order_of_ratios_is_the_judges(records: dict[str, ReleaseRecord]) -> None:
    """Ratios share one axis: a larger ratio lies further to the right, in every row."""
    shown = by_check(records["everything"])

    drawn = {
        one.verdict.numbers["ratio"]: one.chart.likeliest
        for one in shown.values()
        if one.chart and one.chart.likeliest is not None and "ratio" in one.verdict.numbers
    }
    assert len(drawn) == 5
    assert [drawn[ratio] for ratio in sorted(drawn)] == sorted(drawn.values())


def test_a_metric_is_drawn_after_promotion_as_before(records: dict[str, ReleaseRecord]) -> None:
    """The same interval beside the same margin and tolerance."""
    record = records["everything"]
    late = replace(record, judged=tuple(replace(one, check=AFTER_PROMOTION + one.check) for one in record.judged))

    before, after = ([one.chart for one in list_judged(each)] for each in (record, late))

    assert any(before)
    assert after == before


def test_the_evidence_is_told_beside_where_it_decides(records: dict[str, ReleaseRecord]) -> None:
    """A metric's share of alpha is its own; what can't pass says nothing about passing."""
    shown = by_check(records["everything"])

    assert re.fullmatch(r"evidence against [\d.]+ of 400; for [\d.]+ of 20", shown["error rate"].evidence)
    assert re.fullmatch(r"evidence against 0\.\d+ of 1,200; for [\d.]+ of 20", shown["shadow errors"].evidence)
    assert re.fullmatch(r"evidence against [\d,]+ of 1,200", shown["latency, any quantile"].evidence)
    assert shown["input drift"].evidence == ""


@pytest.mark.parametrize(
    ("check", "remark"),
    [
        ("error rate", ""),
        ("wrong answers", "not waited for"),
        ("shadow errors", "not waited for"),
        ("latency, any quantile", ""),
        ("input drift", "warns only"),
    ],
)
def test_what_a_metric_can_not_do_is_remarked(records: dict[str, ReleaseRecord], check: str, remark: str) -> None:
    """What is not required does not hold a promotion, and rolls back when it fails; drift rolls nothing back."""
    assert by_check(records["everything"])[check].remark == remark


def test_where_nothing_was_counted_there_is_no_evidence(records: dict[str, ReleaseRecord]) -> None:
    """It was rolled back under shadow: no live answer was counted or timed, and errors on copies decided."""
    shown = by_check(records["rolled_back"])

    for check in ("error rate", "latency"):
        assert shown[check].verdict.outcome is Outcome.NO_DATA
        assert (shown[check].evidence, shown[check].chart) == ("", None)
    copies = shown["shadow errors"]
    assert (copies.verdict.outcome, copies.remark) == (Outcome.FAIL, "")
    assert re.match(r"evidence against [\d,]+ of 633; ", copies.evidence)
    assert records["rolled_back"].reason == copies.verdict.reason


def test_drift_as_a_guard_is_said(records: dict[str, ReleaseRecord]) -> None:
    """The spec makes it hold the rollout."""
    record = records["everything"]
    spec = record.parameters | {"judge": record.parameters["judge"] | {"drift": {"action": "guard"}}}

    assert by_check(replace(record, parameters=spec))["input drift"].remark == "holds the weights"


@pytest.mark.parametrize("name", ["stopped", "first", "unfetched"])
def test_a_release_that_nothing_was_judged_of_has_no_such_section(
    records: dict[str, ReleaseRecord], pages: dict[str, str], name: str
) -> None:
    """Neither on the page nor in the summary."""
    assert "What the judge saw" not in pages[name]
    assert "What the judge saw" not in HtmlReporter().render_summary(records[name])


def test_a_record_of_the_version_before_has_a_page(records: dict[str, ReleaseRecord]) -> None:
    """It kept no verdicts; the rollout's figure is drawn as it was."""
    before = HtmlReporter().render_page(replace(records["promoted"], judged=()))

    assert "What the judge saw" not in before
    assert "<figure>" in before


def test_a_record_without_a_spec_draws_intervals_without_limits(records: dict[str, ReleaseRecord]) -> None:
    """What is not known is not drawn."""
    shown = by_check(replace(records["everything"], parameters={}))

    assert shown["error rate"].chart is not None
    assert shown["error rate"].chart.lines == ()


def test_the_summary_has_the_verdicts(records: dict[str, ReleaseRecord]) -> None:
    """For Prefect's UI: outcome and sentence."""
    text = HtmlReporter().render_summary(records["everything"])

    table = text[text.index("## What the judge saw") : text.index("## Gates")]
    assert "| latency, any quantile | ❌ FAIL | slower than 5 ms" in table
    assert "| shadow latency | ✅ PASS |" in table


def test_markup_in_a_verdict_stays_text(records: dict[str, ReleaseRecord]) -> None:
    """A label or a column may be named anything."""
    evil = "<script>alert(1)</script>"
    verdict = Verdict(
        check=evil, outcome=Outcome.FAIL, reason=evil, numbers={"ratio": 2.0, "ratio_low": 1.0, "ratio_high": 3.0}
    )

    text = HtmlReporter().render_page(replace(records["promoted"], judged=(verdict,)))

    assert "<script>" not in text
    assert text.count("&lt;script&gt;") == 3


# intervals


def test_an_interval_lies_where_its_numbers_are() -> None:
    """On a logarithmic axis from a quarter to four, 1 is the middle."""
    drawn = draw_chart(
        {"ratio": 1.0, "ratio_low": 0.5, "ratio_high": 2.0}, "ratio", RATIOS, (Mark(at=2.0, kind="limit"),)
    )

    assert drawn is not None
    assert (drawn.low, drawn.likeliest, drawn.high) == (25.0, 50.0, 75.0)
    assert (drawn.open_low, drawn.open_high, drawn.said) == (False, False, "1x (0.5x to 2x)")
    assert [(line.place, line.text, line.kind, line.anchor) for line in drawn.lines] == [
        (75.0, "2x", "limit", "middle")
    ]


@pytest.mark.parametrize(
    ("numbers", "ends", "opens", "said"),
    [
        ({"ratio": 14.0, "ratio_low": 2.0}, (75.0, 100.0), (False, True), "14x (2x or more)"),
        ({"ratio_low": 2.0}, (75.0, 100.0), (False, True), "2x or more"),
        ({"ratio": 0.0, "ratio_low": 0.0, "ratio_high": 2.0}, (0.0, 75.0), (True, False), "0x (0x to 2x)"),
        ({"ratio": 8.0, "ratio_low": 6.0, "ratio_high": 9.0}, (100.0, 100.0), (False, True), "8x (6x to 9x)"),
        ({"ratio_high": 2.0}, (0.0, 75.0), (True, False), "at most 2x"),
    ],
)
def test_an_end_that_is_not_drawn_is_an_arrow(
    numbers: dict[str, float], ends: tuple[float, float], opens: tuple[bool, bool], said: str
) -> None:
    """Infinity, 0 on a logarithmic axis, and what lies beyond the axis."""
    drawn = draw_chart(numbers, "ratio", RATIOS, ())

    assert drawn is not None
    assert ((drawn.low, drawn.high), (drawn.open_low, drawn.open_high), drawn.said) == (ends, opens, said)


@pytest.mark.parametrize("numbers", [{}, {"ratio": 1.0}, {"ratio_low": 0.0}])
def test_an_interval_that_says_nothing_is_not_drawn(numbers: dict[str, float]) -> None:
    """Anything from 0 to infinity is no picture."""
    assert draw_chart(numbers, "ratio", RATIOS, ()) is None


@pytest.mark.parametrize(
    ("marks", "anchors"),
    [((1.0, 1.25), ["end", "start"]), ((0.5, 2.0), ["middle", "middle"]), ((1.0,), ["middle"])],
)
def test_the_texts_of_close_marks_do_not_collide(marks: tuple[float, ...], anchors: list[str]) -> None:
    """They stand on either side."""
    drawn = draw_chart({"ratio_high": 1.0}, "ratio", RATIOS, tuple(Mark(at=at, kind="margin") for at in marks))

    assert drawn is not None
    assert [line.anchor for line in drawn.lines] == anchors


# pauses


def test_a_pause_begins_and_ends_where_the_timeline_says(records: dict[str, ReleaseRecord]) -> None:
    """A dependency was down from 20 s on, for 6 s; a look is half a second."""
    record = records["interrupted"]

    [pause] = find_pauses(record)

    began = pause.begins - record.timeline[0].at
    assert (pause.name, began, pause.ends - pause.begins) == ("both fail", 20.5, 6.0)
    assert "both versions fail together" in pause.reason


def test_a_pause_is_shaded_named_and_told(records: dict[str, ReleaseRecord], pages: dict[str, str]) -> None:
    """In the figure, and in words above the metrics."""
    text = pages["interrupted"]

    assert ">both fail</text>" in text[text.index("<figure>") : text.index("</figure>")]
    [told] = list_remarks(records["interrupted"])
    assert told.startswith("46.8 s after the release began, for 6.0 s: both versions fail together (stable on ")
    assert f"<li>{told}</li>" in html.unescape(section(text))
    assert "not the canary's fault" in section(text)
    assert "not the canary's fault" not in section(pages["promoted"])


@pytest.mark.parametrize(
    ("hold", "name"),
    [
        (HoldReason.BOTH_FAIL, "both fail"),
        (HoldReason.STABLE_FAILS, "stable fails"),
        (HoldReason.WRONG_ROUTE, "wrong route"),
        (HoldReason.NOT_COUNTED, "not counted"),
        (HoldReason.STABLE_NOT_READY, "stable not ready"),
        (HoldReason.INPUTS_DRIFTED, "inputs drifted"),
    ],
)
def test_every_reason_to_wait_has_a_name(records: dict[str, ReleaseRecord], hold: HoldReason, name: str) -> None:
    """The figure has room for two words; how the sentence is worded does not matter."""
    record = replace(records["promoted"], timeline=(shifting(1, "whatever it says", hold), shifting(2, "goes on")))

    assert [(pause.name, pause.begins, pause.ends) for pause in find_pauses(record)] == [(name, 1, 2)]


def test_pauses_of_one_kind_are_one_and_others_are_apart(records: dict[str, ReleaseRecord]) -> None:
    """The percentages in the sentence change at every look; the first sentence is kept."""
    later = BOTH.replace("40 %", "38 %")
    both, route = HoldReason.BOTH_FAIL, HoldReason.WRONG_ROUTE
    looks = [
        shifting(1, BOTH, both),
        shifting(2, later, both),
        shifting(3, ROUTE, route),
        shifting(4, "goes on"),
        shifting(5, BOTH, both),
    ]

    found = find_pauses(replace(records["promoted"], timeline=tuple(looks)))

    assert [(one.name, one.begins, one.ends, one.reason) for one in found] == [
        ("both fail", 1, 3, BOTH),
        ("wrong route", 3, 4, ROUTE),
        ("both fail", 5, 5, BOTH),
    ]


def test_what_waits_for_other_reasons_is_no_pause(records: dict[str, ReleaseRecord]) -> None:
    """A held rollout is a phase of its own; a rollback that names the route has ended."""
    looks = (
        shifting(1, BOTH, HoldReason.NO_DECISION, Phase.HELD),
        shifting(2, ROUTE, HoldReason.WRONG_ROUTE, Phase.ROLLING_BACK),
        shifting(3, "not enough evidence"),
        shifting(4, "waits for replicas: 2 of 3", HoldReason.REPLICAS),
    )

    assert find_pauses(replace(records["promoted"], timeline=looks)) == []
