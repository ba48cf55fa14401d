"""Which of our languages a program asks for: the first of ``Accept-Language`` that is one of ours, else Thai."""

from fastapi import Request

from grader.reports.catalogue import LANGS, Lang


def language_of_client(request: Request) -> Lang:
    """The language of an answer to a program; never asks the records, so that it serves when they are down."""
    asked = sorted(_asked(request.headers.get("accept-language", "")), key=lambda one: -one[0])
    return next((lang for _, name in asked for lang in LANGS if lang == name), "th")


def _asked(header: str) -> list[tuple[float, str]]:
    found = []
    for part in header.split(",")[:20]:
        name, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if quality > 0:
            found.append((quality, name.strip().casefold().partition("-")[0]))
    return found
