"""The release report as one self-contained HTML page: no script, no request, light and dark."""

import os
import tempfile
from pathlib import Path

from slipway.adapters.report import view
from slipway.adapters.report.judged import list_judged, list_remarks
from slipway.adapters.report.markdown import render_summary
from slipway.adapters.report.plan_plot import plan_plot
from slipway.adapters.report.plots import draw_rollout
from slipway.domain.forecast import Forecast
from slipway.domain.release.record import ReleaseRecord
from slipway.errors import PermanentError

HERE = Path(__file__).parent


class HtmlReporter:
    """Writes reports with a template and a figure."""

    def write_page(self, record: ReleaseRecord, out: Path) -> Path:
        """Write the page atomically; return its path. Raises PermanentError if it can't be written."""
        text = self.render_page(record)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            _replace_file(out, text)
        except OSError as error:
            raise PermanentError(
                f"report of {record.release_id}",
                seen=f"{(error.strerror or type(error).__name__).lower()} while writing {out.name}",
                expected="a folder that can be written, with room",
                do=f"make room or correct the rights; `slipway report {record.model} {record.version}` writes it again",
            ) from error
        return out

    def plot_plan(self, model: str, forecast: Forecast, kind: str) -> bytes:
        """Return the figure of a plan as a file: `kind` is "svg" or "png"."""
        return plan_plot(model, forecast, kind)

    def render_summary(self, record: ReleaseRecord) -> str:
        """Return the report in short, as Markdown."""
        return render_summary(record)

    def render_page(self, record: ReleaseRecord) -> str:
        """Return the page."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup

        templates = Environment(
            loader=FileSystemLoader(HERE),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        figure = draw_rollout(record)
        reason, _, advice = record.reason.partition(" Next: ")
        colour, badge, headline = view.get_headline(record)
        return templates.get_template("page.html.j2").render(
            record=record,
            reason=reason,
            advice=advice,
            colour=colour,
            badge=badge,
            headline=headline,
            figure=Markup(figure) if figure else "",  # noqa: S704 - drawn by us; matplotlib escapes its texts
            judged=list_judged(record),
            remarks=list_remarks(record),
            view=view,
        )


def _replace_file(out: Path, text: str) -> None:
    """Write a temporary file, then move it: a reader never sees half a page."""
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
