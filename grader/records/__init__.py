"""Everything that is kept: people, rounds, work, verdicts, what people decided, and the proof of who did what when.

The tables are facts; what follows from them (who passed, what the figure is) is computed elsewhere and never kept as
the only copy. Time is UTC, people are ids, text is never a sentence.
"""

from grader.records.accounts import (
    Account,
    AccountRole,
    ApiToken,
    HalfSignIn,
    Identity,
    OneTimeLink,
    PortalSession,
    RecoveryCode,
    Role,
    SecondFactor,
    Throttle,
    Way,
)
from grader.records.audit import AuditEntry, Break, Checkpoint
from grader.records.blobs import BlobLost, BlobStore, Stored, chunks_of
from grader.records.certificates import Certificate
from grader.records.columns import APPEND_ONLY, Base, new_id
from grader.records.database import Database, RecordsUnavailable
from grader.records.fetches import Fetch
from grader.records.indicators import (
    Grant,
    IndicatorVersion,
    ReportingRound,
    ReportRecord,
    SettingsVersion,
    SnapshotRecord,
)
from grader.records.keys import Keys
from grader.records.people import Person, Unit
from grader.records.remarks import Remark
from grader.records.rounds import Seat, SeatEvent, TrainingRound
from grader.records.standings import SeatStanding
from grader.records.store import Change, Records, Unaudited, create_records, default_url, open_records
from grader.records.work import (
    Appeal,
    Assignment,
    ExerciseVersion,
    Extension,
    Grading,
    Job,
    JobState,
    Override,
    ProgressEvent,
    Regrade,
    Run,
    Submission,
)
from grader.records.workers import WorkerRecord

__all__ = [
    "APPEND_ONLY",
    "Account",
    "AccountRole",
    "ApiToken",
    "Appeal",
    "Assignment",
    "AuditEntry",
    "Base",
    "BlobLost",
    "BlobStore",
    "Break",
    "Certificate",
    "Change",
    "Checkpoint",
    "Database",
    "ExerciseVersion",
    "Extension",
    "Fetch",
    "Grading",
    "Grant",
    "HalfSignIn",
    "Identity",
    "IndicatorVersion",
    "Job",
    "JobState",
    "Keys",
    "OneTimeLink",
    "Override",
    "Person",
    "PortalSession",
    "ProgressEvent",
    "Records",
    "RecordsUnavailable",
    "RecoveryCode",
    "Regrade",
    "Remark",
    "ReportRecord",
    "ReportingRound",
    "Role",
    "Run",
    "Seat",
    "SeatEvent",
    "SeatStanding",
    "SecondFactor",
    "SettingsVersion",
    "SnapshotRecord",
    "Stored",
    "Submission",
    "Throttle",
    "TrainingRound",
    "Unaudited",
    "Unit",
    "Way",
    "WorkerRecord",
    "chunks_of",
    "create_records",
    "default_url",
    "new_id",
    "open_records",
]
