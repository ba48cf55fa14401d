"""Rosters of training rounds as files: CSV and XLSX in, rows and everything that is wrong out, and the way back.

Bytes in, values out: nothing here reads a database, a clock or a file of anybody. A workbook is opened in a process of
its own, because a hostile one can end the process that opens it. Codes are ``roster.*``; words are in the reports.
"""

from grader.rosters.columns import HEADINGS, PART_WORDS, Lang
from grader.rosters.limits import MAX_FILE_BYTES, MAX_ROWS
from grader.rosters.reading import read_roster
from grader.rosters.roster import Encoding, Field, Issue, Part, RosterPreview, RosterRow
from grader.rosters.writing import write_csv, write_xlsx

__all__ = [
    "HEADINGS",
    "MAX_FILE_BYTES",
    "MAX_ROWS",
    "PART_WORDS",
    "Encoding",
    "Field",
    "Issue",
    "Lang",
    "Part",
    "RosterPreview",
    "RosterRow",
    "read_roster",
    "write_csv",
    "write_xlsx",
]
