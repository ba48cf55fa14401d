"""``grader override``, ``appeal …`` and ``regrade …``: what people decide about results."""

from typing import Annotated

import typer

from grader.cli.office import By, Reason, RoundCode, actor, opened, say, show
from grader.cli.options import AsJson, Language, settings_for
from grader.errors import UsageProblem
from grader.packs import find_pack, load_pack
from grader.records import Submission
from grader.services import overriding, regrading, rounds

appeal_app = typer.Typer(no_args_is_help=True, help="คำขอทบทวน · Appeals and their answers.")
regrade_app = typer.Typer(no_args_is_help=True, help="ตรวจใหม่ · Grade again, compare, then apply or drop.")

SubmissionId = Annotated[str, typer.Argument(metavar="SUBMISSION", help="รหัสงาน · id of the submission")]
RegradeId = Annotated[str, typer.Argument(metavar="REGRADE", help="รหัสการตรวจใหม่ · id of the regrade")]


def override(
    submission: SubmissionId,
    outcome: Annotated[str, typer.Argument(metavar="pass|fail", help="ผลที่ตัดสิน · the result")],
    reason: Reason,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """เปลี่ยนผลโดยผู้สอน พร้อมเหตุผล · Decide a result as a person; what was found stays readable."""
    settings, language = settings_for(lang)
    if outcome not in {"pass", "fail"}:
        raise UsageProblem("usage.bad_setting", setting="pass|fail", value=outcome)
    with opened(settings) as records:
        made = overriding.override(records, submission=submission, to=outcome, by=actor(by), reason=reason)  # type: ignore[arg-type]
    say("overridden", language, as_json=as_json, submission=submission, before=made.from_outcome, after=made.to_outcome)


@appeal_app.command("make")
def make_appeal(
    submission: SubmissionId,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="เหตุผล · why")],
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ขอให้ทบทวนผล · Ask that somebody looks again."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        made = overriding.appeal(records, submission=submission, text=text, by=actor(by))
    say("appeal.made", language, as_json=as_json, appeal=made.id, submission=submission)


@appeal_app.command("decide")
def decide_appeal(
    appeal: Annotated[str, typer.Argument(metavar="APPEAL", help="รหัสคำขอ · id of the appeal")],
    answer: Annotated[str, typer.Option("--answer", metavar="TEXT", help="คำตอบ · the answer")],
    accept: Annotated[bool, typer.Option("--accept/--decline", help="รับ หรือ ไม่รับ · accept or decline")],
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ตอบคำขอทบทวน ถ้ารับ ผลจะเป็นผ่าน · Answer an appeal; accepting makes the result a pass."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        found = overriding.decide_appeal(records, appeal_id=appeal, accept=accept, answer=answer, by=actor(by))
    say("appeal.decided", language, as_json=as_json, appeal=appeal, state=found.state)


@regrade_app.command("begin")
def begin_regrade(
    code: RoundCode,
    exercise: Annotated[str, typer.Argument(metavar="ID", help="รหัสหรือโฟลเดอร์ · exercise id or pack folder")],
    reason: Reason,
    submission: Annotated[
        list[str] | None, typer.Option("--submission", metavar="ID", help="เฉพาะงานนี้ (ใช้ซ้ำได้) · only this one")
    ] = None,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """เริ่มตรวจใหม่โดยยังไม่เปลี่ยนผล · Grade again without changing any result yet."""
    settings, language = settings_for(lang)
    pack = load_pack(find_pack(exercise, settings.exercises))
    with opened(settings) as records:
        with records.reading() as session:
            assignment = rounds.assignment_of(session, code, pack.exercise.id).id
        made = regrading.begin(
            records, assignment=assignment, pack=pack, by=actor(by), reason=reason, submissions=submission or ()
        )
    say("regrade.begun", language, as_json=as_json, regrade=made.id, digest=made.digest)


@regrade_app.command("show")
def show_regrade(regrade: RegradeId, lang: Language = "", as_json: AsJson = False) -> None:
    """ผลเดิมเทียบผลใหม่ · What would change, from what to what."""
    settings, language = settings_for(lang)
    with opened(settings) as records, records.reading() as session:
        found = regrading.differences(session, regrade)
        done, total, stuck = regrading.progress_of(session, regrade)
        people = {one: session.get_one(Submission, one).seat.person.code for one in (row.submission for row in found)}
    rows = [
        {
            "submission": one.submission,
            "person": people[one.submission],
            "before": one.before,
            "points_before": one.points_before,
            "after": one.after,
            "points_after": one.points_after,
            "differs": one.differs,
        }
        for one in found
    ]
    if not as_json:
        say("regrade", language, as_json=False, graded=f"{done}/{total}", needs_operator=stuck or None)
    show(rows, language, as_json=as_json, none="none.jobs")


@regrade_app.command("apply")
def apply_regrade(regrade: RegradeId, by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """ใช้ผลใหม่ · Let the new results stand."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        changed = regrading.apply(records, regrade=regrade, by=actor(by))
    say("regrade.applied", language, as_json=as_json, regrade=regrade, changed=changed)


@regrade_app.command("drop")
def drop_regrade(regrade: RegradeId, by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """ทิ้งผลใหม่ · Forget the new results."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        regrading.drop(records, regrade=regrade, by=actor(by))
    say("regrade.dropped", language, as_json=as_json, regrade=regrade)
