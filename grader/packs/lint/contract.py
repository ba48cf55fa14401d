"""Rules that keep a contract fair: what is not written in it must not fail a correct app."""

from collections.abc import Iterator
from typing import Any

from grader.packs.contract import CONTRACT_FILE, operation_nodes, resolve, walk
from grader.packs.lint.problem import Found, Subject

PROBLEM_MEDIA = "application/problem+json"
SAFE_INTEGER = 2**53
"""From here on a JSON number is no longer exact in every language."""
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


def success_documented(subject: Subject) -> Iterator[Found]:
    """Every operation documents an answer 2xx."""
    for method, path, node in operation_nodes(subject.pack.contract):
        if not any(status.startswith("2") for status in _responses(node)):
            yield _found(method, path, "no 2xx answer is documented", "Describe what a correct answer looks like.")


def errors_documented(subject: Subject) -> Iterator[Found]:
    """Every operation documents 400; one with a path parameter also 404, one with a body also 415 and 422."""
    contract = subject.pack.contract
    for method, path, node in operation_nodes(contract):
        wanted = ["400"]
        wanted += ["404"] if "{" in path else []
        wanted += ["415", "422"] if "requestBody" in node else []
        missing = [status for status in wanted if status not in _responses(node)]
        if missing:
            yield _found(
                method,
                path,
                f"not documented: {', '.join(missing)}",
                "Document them: frameworks answer so by themselves, and an undocumented status fails U1.",
            )


def errors_are_problems(subject: Subject) -> Iterator[Found]:
    """Every documented answer 4xx or 5xx, and every default answer, is application/problem+json."""
    contract = subject.pack.contract
    for method, path, node in operation_nodes(contract):
        for status, response in _responses(node).items():
            if status[0] in "45d":
                media = list((resolve(contract, response) or {}).get("content") or {})
                if media != [PROBLEM_MEDIA]:
                    yield _found(
                        method,
                        path,
                        f"{status} is documented as {', '.join(media) or 'an answer without content'}",
                        f"Give it the content {PROBLEM_MEDIA}, best by one shared response under components.",
                    )


def numbers_are_safe(subject: Subject) -> Iterator[Found]:
    """Bounds of numbers lie within ±2^53."""
    for place, node in walk(subject.pack.contract):
        for key in _BOUNDS if isinstance(node, dict) else ():
            bound = node.get(key)
            if isinstance(bound, int | float) and not isinstance(bound, bool) and abs(bound) >= SAFE_INTEGER:
                yield Found(
                    path=CONTRACT_FILE,
                    where=f"{place}.{key}",
                    problem=f"{bound} is not exact in every language",
                    fix="Choose a bound that the subject itself gives.",
                )


def path_parameters_described(subject: Subject) -> Iterator[Found]:
    """Every {name} of a path is a required path parameter, and every path parameter stands in the path."""
    contract = subject.pack.contract
    for method, path, node in operation_nodes(contract):
        listed = [*contract["paths"][path].get("parameters", ()), *node.get("parameters", ())]
        described = [resolve(contract, one) for one in listed]
        named = {one.get("name") for one in described if one.get("in") == "path" and one.get("required") is True}
        templated = {part.partition("}")[0] for part in path.split("{")[1:]}
        for name in sorted(named ^ templated, key=str):
            yield _found(
                method,
                path,
                f"{name} is not both in the path and described as a required path parameter",
                "Add a parameter with in: path, required: true and a schema, or correct its name.",
            )


def health_stays_out(subject: Subject) -> Iterator[Found]:
    """/healthz is not in the contract: it is a rule common to all exercises."""
    if "/healthz" in subject.pack.contract["paths"]:
        yield Found(
            path=CONTRACT_FILE,
            where="paths./healthz",
            problem="/healthz is described",
            fix="Remove it; the grader asks for it by itself.",
        )


def _responses(node: dict[str, Any]) -> dict[str, Any]:
    responses = node.get("responses")
    return responses if isinstance(responses, dict) else {}


def _found(method: str, path: str, problem: str, fix: str) -> Found:
    return Found(path=CONTRACT_FILE, where=f"{method.upper()} {path}", problem=problem, fix=fix)
