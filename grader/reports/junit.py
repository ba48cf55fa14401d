"""The verdict as JUnit XML: a test case a check, so that any build server shows it."""

from xml.etree import ElementTree as ET

from grader.packs import Pack
from grader.reports.cards import Card
from grader.reports.catalogue import Lang, label
from grader.reports.plain import clean
from grader.reports.summary import CheckLine, Group, Report, summarise
from grader.verdict import Verdict


def text(verdict: Verdict, pack: Pack, lang: Lang) -> str:
    """One ``testsuite``; a grading that stopped early has one more case that fails, so that it never looks green."""
    report = summarise(verdict, pack, lang)
    seconds = {check.id: check.seconds for check in verdict.checks}
    suite = ET.Element(
        "testsuite",
        name=f"{report.exercise_id} {report.exercise_title}",
        timestamp=verdict.facts.started_at.isoformat(),
        time=f"{sum(phase.seconds for phase in verdict.facts.phases):.3f}",
    )
    for group in report.groups:
        for line in group.checks:
            _case(suite, group, line, report, seconds[line.id])
    _overall(suite, report)
    for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(sum(1 for _ in suite.iter(tag))))
    for element in suite.iter():
        element.text = clean(element.text) if element.text else element.text
        element.attrib = {name: clean(value) for name, value in element.attrib.items()}
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, group: Group, line: CheckLine, report: Report, seconds: float) -> None:
    name = f"{line.id} {line.title}"
    case = ET.SubElement(suite, "testcase", classname=group.name, name=name, time=f"{seconds:.3f}")
    if line.outcome == "fail":
        cards = [card for card in report.cards if any(check.id == line.id for check in card.checks)]
        failure = ET.SubElement(case, "failure", message="; ".join(card.explanation.sentence for card in cards))
        failure.set("type", ", ".join(dict.fromkeys(card.explanation.code for card in cards)))
        failure.text = "\n\n".join(_described(card, report.lang) for card in cards)
    elif line.outcome == "error":
        ET.SubElement(case, "error", message=label("errors_note", report.lang), type="infrastructure")
    elif line.outcome == "not_run":
        ET.SubElement(case, "skipped", message=line.word)


def _overall(suite: ET.Element, report: Report) -> None:
    why = report.fault.explanation if report.fault else report.reason
    if why is None:
        return
    case = ET.SubElement(suite, "testcase", classname=report.exercise_id, name=report.word, time="0.000")
    if report.partial and report.tone == "neutral":
        return
    tag = "error" if report.tone == "error" else "failure"
    problem = ET.SubElement(case, tag, message=why.sentence, type=why.code)
    problem.text = "\n".join([why.next_step, *(report.fault.log if report.fault else ())])


def _described(card: Card, lang: Lang) -> str:
    lines = [card.explanation.sentence]
    for unlike in card.differences:
        expected, got = (label("nothing", lang) if value is None else value for value in (unlike.expected, unlike.got))
        lines.append(f"{unlike.at} {label('expected', lang)}: {expected} · {label('got', lang)}: {got}".strip())
    if card.request_line:
        lines += [f"{label('request', lang)}: {card.request_line}", card.curl]
        lines.append(f"{label('answer', lang)}: {card.status or label('no_answer', lang)}")
    return "\n".join([*lines, card.explanation.next_step, card.retry])
