"""Pages that are written from the code say what the code says; links in the docs lead somewhere."""

import re
from pathlib import Path

import pytest

from docs.generate import pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_pages_are_in_step(path: Path) -> None:
    """`make docs` would change nothing; settings and defaults depend on no machine."""
    assert path.read_text(encoding="utf-8") == pages()[path]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture is a file of the checkout."""
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_into_pages_find_their_heading(page: Path) -> None:
    """Every `#part` of a relative link is a heading of the page it names, or of its own."""
    links = re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))

    assert [(name, part) for name, part in links if part not in _headings(page.parent / name if name else page)] == []


def _headings(page: Path) -> set[str]:
    """Return a page's headings as they are linked to: lower case, dashes for spaces, nothing but letters and digits."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}
