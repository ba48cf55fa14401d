"""The report as one JSON document: all that it says, in words and in values, and the whole snapshot it was made from.

``snapshot`` inside it is the document whose digest is ``sha256``: with its keys in order and without blanks it is the
stored file, byte by byte. It lists everybody on the roster by id, so this format is for readers who may see those.
"""

from grader.reports.kpi.document import KpiDocument


def to_json(document: KpiDocument) -> str:
    """The document; numbers with decimals are text, moments are in UTC."""
    return document.model_dump_json(indent=2) + "\n"
