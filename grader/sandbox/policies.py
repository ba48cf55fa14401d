"""What each folder of ``sandboxes/`` says of its image: the policy.toml beside its Dockerfile."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import EnvironmentProblem


@dataclass(frozen=True, kw_only=True)
class RuntimeSpec:
    """What grading a submission of one runtime takes: the table ``[runtime]`` in the policy.toml of its image.

    ``name`` is the word that intake uses for it. ``builder`` is the image that installs packages, ``target`` the folder
    where they lie, in the builder and in the app's image alike. ``diagnose`` is the command that reads the source below
    /app and prints a JSON list of ``{"file", "line", "message"}`` on one line; it runs nothing of the source. ``lazy``:
    the source is read at the first request and not at the start, so that a server may look well without any of it.
    """

    name: str
    image: str
    builder: str
    target: str
    diagnose: Sequence[str]
    lazy: bool = False


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """One folder of ``sandboxes/`` as its policy.toml describes it."""

    name: str
    folder: Path
    parents: Mapping[str, str]
    smoke: tuple[str, ...]
    user: str
    package: tuple[str, ...] = ()
    ca: bool = False
    constraints: bool = False
    arguments: Mapping[str, str] | None = None
    runtime: RuntimeSpec | None = None


def read_specs(sandboxes: Path) -> dict[str, ImageSpec]:
    """The images in an order in which each stands after its parents."""
    found = {}
    for policy in sorted(sandboxes.glob("*/policy.toml")):
        name, values = policy.parent.name, tomllib.loads(policy.read_text(encoding="utf-8"))
        try:
            if table := values.pop("runtime", None):
                values["runtime"] = RuntimeSpec(image=name, **table)
            found[name] = ImageSpec(name=name, folder=policy.parent, **values)
        except TypeError as error:
            raise EnvironmentProblem("environment.policy_invalid", file=str(policy), detail=str(error)) from error
    _check_runtimes(found)
    ordered: dict[str, ImageSpec] = {}
    while len(ordered) < len(found):
        ready = [s for s in found.values() if s.name not in ordered and all(p in ordered for p in s.parents.values())]
        if not ready:
            missing = sorted(set(found) - set(ordered))
            raise EnvironmentProblem("environment.policy_invalid", file=", ".join(missing), detail="no such parent")
        ordered |= {spec.name: spec for spec in ready}
    return ordered


def _check_runtimes(specs: Mapping[str, ImageSpec]) -> None:
    """Each runtime is there once, and so is its builder."""
    seen: dict[str, str] = {}
    for spec in specs.values():
        if (runtime := spec.runtime) is None:
            continue
        if runtime.builder not in specs:
            detail = f"no such builder: {runtime.builder}"
        elif runtime.name in seen:
            detail = f"{runtime.name} is the runtime of {seen[runtime.name]}"
        else:
            seen[runtime.name] = spec.name
            continue
        raise EnvironmentProblem("environment.policy_invalid", file=str(spec.folder / "policy.toml"), detail=detail)
