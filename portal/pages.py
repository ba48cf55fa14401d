"""Templates to HTML: one environment for all pages, in which everything is escaped and nothing is undefined."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.datastructures import URL
from starlette.requests import Request

from grader import __version__
from grader.reports import dates
from grader.reports.catalogue import Lang, explain, label
from grader.services.desk import Handed, State
from grader.verdict import Verdict
from portal.catalogue import word, words
from portal.navigation import navigation
from portal.static_files import asset_url
from portal.visit import Visit

GIVEN_STATUS: Final[Mapping[State, str]] = {
    "not_open": "hidden",
    "to_do": "waiting",
    "waiting": "waiting",
    "running": "running",
    "needs_operator": "fault",
    "pass": "pass",
    "fail": "fail",
}
"""The status mark of an exercise on a desk; its word is ``state.<state>``."""


class Pages:
    """Renders the templates of the portal, and those that the reports share with it (``*.html.j2``)."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._environment = Environment(
            loader=ChoiceLoader([
                PackageLoader("portal", "templates"),
                PackageLoader("grader.reports", "templates"),
            ]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        self._environment.globals |= {
            "asset": asset_url,
            "version": __version__,
            "handed_status": handed_status,
            "given_status": GIVEN_STATUS.__getitem__,
            "outcome_of": outcome_of,
        }
        self._environment.filters |= {"moment": _moment, "day": _day, "relative": _relative, "plain_json": _plain_json}

    def prepare(self) -> None:
        """Read every word and every template now: those who come first after a start may be everybody at once."""
        words()
        for name in self._environment.list_templates(filter_func=lambda name: name.endswith((".html", ".html.j2"))):
            self._environment.get_template(name)

    def render(self, template: str, *, visit: Visit, **values: Any) -> str:
        """The HTML of a page for one visitor."""
        return self._environment.get_template(template).render(**self.context(visit), **values)

    def context(self, visit: Visit) -> dict[str, Any]:
        """What every template knows."""
        lang = visit.lang
        return {
            "_": lambda name, /, **given: word(name, lang, **given),
            "has_word": lambda name: name in words(),
            "word": lambda name, /, **given: label(name, lang, **given),
            "explain": lambda code, params: explain(code, params, lang),
            "say": lambda text: text.th if lang == "th" else text.en,
            "lang": lang,
            "theme": visit.theme,
            "me": visit.me,
            "visit": visit,
            "nav": navigation(visit),
            "flashes": [("success", word(name, lang)) for name in visit.flashes if name in words()],
            "contact": visit.settings.contact,
            "path": visit.request.url.path,
            "other_language_url": _in_language("en" if lang == "th" else "th", visit.request),
            "now": self._now(),
        }


def _in_language(lang: Lang, request: Request) -> str:
    """The address of this page in that language; of a form that came back, the page that it was sent from.

    What is sent to has often no page of its own, and nothing that was typed can travel in a link.
    """
    page = request.url
    if request.method not in {"GET", "HEAD"}:
        came = request.headers.get("referer", "")
        page = URL(came) if URL(came).netloc == page.netloc else URL("/")
    query = [(key, value) for key, value in parse_qsl(page.query, keep_blank_values=True) if key != "lang"]
    return f"/{page.path.lstrip('/')}?{urlencode([*query, ('lang', lang)])}"  # two of them would name another server


def handed_status(one: Handed) -> str:
    """The status word of a submission: what stands, else where its grading is."""
    if one.result:
        return "pass" if one.result == "pass" else "fail"
    return {"queued": "waiting", "running": "running", "needs_operator": "fault"}.get(one.state, "not_run")


def outcome_of(verdict: Verdict, check: str) -> str:
    """What a verdict says about a check; one that it does not know was not run."""
    return next((one.outcome for one in verdict.checks if one.id == check), "not_run")


def _plain_json(value: Any) -> str:
    """A value of a record as it is kept, for people who look closely."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


@pass_context
def _moment(context: Context, value: datetime | None) -> str:
    return dates.moment(value, context["lang"]) if value else "–"


@pass_context
def _relative(context: Context, value: datetime | None) -> str:
    """How far away a moment is, in the largest unit that is not zero."""
    if value is None:
        return ""
    seconds = int((value - context["now"]).total_seconds())
    when = "in" if seconds >= 0 else "ago"
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if count := abs(seconds) // length:
            return word(f"time.{when}.{unit}", context["lang"], n=count)
    return word("time.now", context["lang"])


@pass_context
def _day(context: Context, value: date | None) -> str:
    """A day; that of a moment is its day in Bangkok."""
    if value is None:
        return "–"
    return dates.day(dates.in_bangkok(value) if isinstance(value, datetime) else value, context["lang"])
