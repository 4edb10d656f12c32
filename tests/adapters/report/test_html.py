"""The release report's page: complete, self-contained, safe, and drawn by a real browser where there is one."""

import html.parser
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver

from slipway.adapters.report.html import HtmlReporter
from slipway.domain.release.record import ReleaseRecord, StageRecord
from slipway.domain.release.version import ReleaseState
from slipway.errors import PermanentError


class Elements(html.parser.HTMLParser):
    """Collects elements with their attributes, and text outside of style and figures."""

    def __init__(self, text: str) -> None:
        """Parse a page."""
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))


def shown(text: str) -> str:
    """Return a page's words, without elements and styles."""
    body = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]*>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(body).split())


def test_a_page_asks_for_nothing_else(pages: dict[str, str], any_kind: str) -> None:
    """No script, no image, font or style from elsewhere: it can be mailed, and read offline."""
    page = Elements(pages[any_kind])

    assert {"script", "iframe", "img", "object"}.isdisjoint(tag for tag, _ in page.found)
    for tag, attributes in page.found:
        if tag != "a":
            for name in ("src", "href"):
                assert (attributes.get(name) or "#").startswith(("#", "data:,"))
    assert "@import" not in pages[any_kind]


def test_a_page_says_what_was_decided_and_every_gate(
    records: dict[str, ReleaseRecord], pages: dict[str, str], any_kind: str
) -> None:
    """The decision's sentence, and each verdict's, the judge's included, however the release ended."""
    record, words = records[any_kind], shown(pages[any_kind])

    assert " ".join(record.reason.partition(" Next: ")[0].split()) in words
    for verdict in (*record.judged, *(verdict for stage in record.stages for verdict in stage.verdicts)):
        assert verdict.reason in words


def test_releases_ended_as_their_names_say(records: dict[str, ReleaseRecord]) -> None:
    """What the judge makes of the same requests may change: a page of a promotion is then one of something else."""
    assert {name: record.state for name, record in records.items()} == {
        "rolled_back": ReleaseState.ROLLED_BACK,
        "promoted": ReleaseState.PROMOTED,
        "interrupted": ReleaseState.PROMOTED,
        "everything": ReleaseState.ROLLED_BACK,
        "stopped": ReleaseState.STOPPED,
        "first": ReleaseState.PROMOTED,
        "unfetched": ReleaseState.STOPPED,
    }


@pytest.mark.parametrize("name", ["promoted", "interrupted", "everything"])
def test_a_figure_is_drawn_where_live_requests_were_compared(pages: dict[str, str], name: str) -> None:
    """And nothing says that nothing was."""
    assert "<figure>" in pages[name]
    assert "Nothing was compared" not in pages[name]


@pytest.mark.parametrize("name", ["stopped", "first", "unfetched"])
def test_no_figure_is_drawn_where_nothing_was_compared(pages: dict[str, str], name: str) -> None:
    """A first release, one that a gate stopped, one that could not be fetched."""
    assert "<figure>" not in pages[name]


def test_a_figure_is_drawn_where_copies_alone_were_compared(pages: dict[str, str]) -> None:
    """Rolled back under shadow: copies were compared, so the page must not say that nothing was."""
    assert "<figure>" in pages["rolled_back"]
    assert "Nothing was compared" not in pages["rolled_back"]


def test_the_figure_shows_thresholds_and_phases_in_the_pages_own_colours(pages: dict[str, str]) -> None:
    """Light and dark come from CSS: the figure has no colour of its own."""
    text = pages["promoted"]
    figure = text[text.index("<svg") : text.index("</svg>")]

    assert {"roll back at 100", "may be promoted at 20"} <= set(re.findall(r">([^<>]+)</text>", figure))
    assert {"shadow", "10 %", "25 %", "50 %"} <= set(re.findall(r">([^<>]+)</text>", figure))
    assert "var(--canary)" in figure
    assert not re.search(r"#[0-9a-f]{6}\b", re.sub(r"url\(#[^)]*\)|href=\"#[^\"]*\"|id=\"[^\"]*\"", "", figure))


def test_the_same_record_gives_the_same_page(records: dict[str, ReleaseRecord], pages: dict[str, str]) -> None:
    """Writing it again changes nothing."""
    assert HtmlReporter().render_page(records["promoted"]) == pages["promoted"]


def test_a_stopped_release_says_who_kept_serving(pages: dict[str, str]) -> None:
    """No request reached the version."""
    words = shown(pages["stopped"])

    assert "No request reached this version" in words
    assert "version 2 kept serving" in words
    assert "Next: train a better version" in words


def test_a_model_that_was_not_converted_says_why(pages: dict[str, str]) -> None:
    """It is served as pyfunc; nothing was measured, so there is no table."""
    words = shown(pages["first"])

    assert "served as it is (pyfunc): no converter for StackingClassifier" in words
    assert "faster than plain" not in words


def test_the_optimizers_table_shows_what_ships(pages: dict[str, str]) -> None:
    """Medians, intervals, and the reason against each other variant."""
    words = shown(pages["promoted"])

    assert "graph ships 5.2 KiB 33.9 µs 1.21x (1.17 to 1.27)" in words.replace("\u202f", " ")
    assert "not faster than the plain model" in words


def test_text_from_elsewhere_stays_text(records: dict[str, ReleaseRecord]) -> None:
    """A model's or a reason's markup does nothing."""
    evil = '<script>alert(1)</script><img src="http://example.com/x">'

    text = HtmlReporter().render_page(replace(records["rolled_back"], reason=evil, model=evil, trigger=evil))

    assert {"script", "img"}.isdisjoint(tag for tag, _ in Elements(text).found)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize("address", ["javascript:alert(1)", "file:///etc/passwd", "http://", "data:text/html,x"])
def test_a_link_that_is_no_web_address_is_left_out(records: dict[str, ReleaseRecord], address: str) -> None:
    """Only http and https are linked."""
    record = replace(records["stopped"], parameters={"links": {"run": address}})

    assert [tag for tag, _ in Elements(HtmlReporter().render_page(record)).found if tag == "a"] == []


def test_a_link_shows_no_password(records: dict[str, ReleaseRecord]) -> None:
    """User and password of an address stay out of the page."""
    record = replace(records["stopped"], parameters={"links": {"run": "https://me:secret@example.com/run"}})

    text = HtmlReporter().render_page(record)

    assert 'href="https://example.com/run"' in text
    assert "secret" not in text


def test_a_page_is_written_whole_beside_nothing_else(tmp_path: Path, records: dict[str, ReleaseRecord]) -> None:
    """The folder is made; a page that was there is replaced; nothing half written is left."""
    out = tmp_path / "digits" / "digits-v3-a1.html"

    path = HtmlReporter().write_page(records["stopped"], out)
    HtmlReporter().write_page(records["unfetched"], out)

    assert path == out
    assert "could not be fetched" in out.read_text(encoding="utf-8")
    assert list(out.parent.iterdir()) == [out]


def test_a_page_that_can_not_be_written_is_one_clear_error(tmp_path: Path, records: dict[str, ReleaseRecord]) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "digits").write_text("in the way")

    with pytest.raises(PermanentError) as caught:
        HtmlReporter().write_page(records["stopped"], tmp_path / "digits" / "page.html")

    assert "while writing page.html" in caught.value.seen
    assert "slipway report digits 4" in caught.value.do


def test_the_summary_is_short_and_has_the_decision(records: dict[str, ReleaseRecord], any_kind: str) -> None:
    """Markdown for Prefect's UI; the folded checks stay folded."""
    record = records[any_kind]

    text = HtmlReporter().render_summary(record)

    assert text.startswith(f"# digits {record.version}: ")
    assert len(text.splitlines()) < 80
    assert "## Gates" in text or not record.stages


def test_markup_in_a_summary_stays_text(records: dict[str, ReleaseRecord]) -> None:
    """Neither HTML nor a table's bars come through."""
    text = HtmlReporter().render_summary(replace(records["stopped"], reason="<b>a</b> | [x](y)"))

    assert "&lt;b&gt;a&lt;/b&gt; \\| \\[x\\](y)" in text


def test_a_browser_draws_the_page(tmp_path: Path, records: dict[str, ReleaseRecord], chromium: str) -> None:
    """Chromium renders it without an error: the picture is not blank."""
    page = HtmlReporter().write_page(records["rolled_back"], tmp_path / "page.html")
    picture = tmp_path / "page.png"
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
    ]

    subprocess.run(
        [chromium, *flags, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", page.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )

    from matplotlib.image import imread

    pixels = imread(picture)
    assert len({tuple(pixel) for pixel in pixels[::7, ::7].reshape(-1, pixels.shape[-1]).round(2)}) > 50


def test_a_page_fits_a_telephone(tmp_path: Path, pages: dict[str, str], browser: webdriver.Chrome) -> None:
    """Nothing is wider than a screen of 400 pixels, and no sentence stands in a column of a few letters."""
    screen = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    narrow = "[...document.querySelectorAll('td, p')].filter(e => e.textContent.length > 60 && e.offsetWidth)"

    for name, text in pages.items():
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        browser.get((tmp_path / f"{name}.html").as_uri())
        width = browser.execute_script("return document.documentElement.scrollWidth")
        narrowest = browser.execute_script(f"return Math.min(1000, ...{narrow}.map(e => e.offsetWidth))")

        assert width == 400, name
        assert narrowest > 200, name


def test_differences_for_clients_are_listed_breaking_first(records: dict[str, ReleaseRecord]) -> None:
    """Whichever stage found them; a release without any has no such section."""
    found = [
        {"kind": "compatible", "where": "answers", "sentence": "the prediction has type float32"},
        {"kind": "breaking", "where": "column 'tenure'", "sentence": "column 'tenure' is new"},
    ]
    stage = StageRecord(name="check contract", started_at=0, ended_at=1, details={"differences": found})
    record = replace(records["stopped"], stages=(stage,))

    words = shown(HtmlReporter().render_page(record))

    title = "What clients of the champion would notice"
    assert f"{title} breaking column 'tenure' is new compatible the prediction has type float32" in words
    assert f"## {title}" in HtmlReporter().render_summary(record)
    assert title not in shown(HtmlReporter().render_page(records["stopped"]))
