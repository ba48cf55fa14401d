"""Everything that can go wrong, sorted by whose fault it is.

Three kinds of wrong are never mixed:

* the trainee's: :class:`SubmissionFault` (refused, not built, not started) or a Finding, which is data;
* the exercise author's: :class:`PackInvalid`;
* ours: :class:`InfrastructureFault` (the grading is repeated, no attempt is consumed).

``code`` is stable and machine readable, ``params`` fills the sentence that the report renders in the reader's language.
The docstring of each class is its sentence in plain English.
"""

from typing import ClassVar

Param = str | int | float | bool | None
Params = dict[str, Param]

EXIT_OK = 0
EXIT_CHECKS_FAILED = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_ENVIRONMENT = 4
EXIT_SERVER = 5


class GraderError(Exception):
    """The grader could not do what it was asked."""

    exit_code: ClassVar[int] = EXIT_INVALID

    def __init__(self, code: str, **params: Param) -> None:
        self.code = code
        self.params: Params = params
        detail = ", ".join(f"{key}={value!r}" for key, value in params.items())
        super().__init__(f"{code} ({detail})" if detail else code)


class UsageProblem(GraderError):
    """The command was called in a way that cannot work."""

    exit_code = EXIT_USAGE


class SubmissionFault(GraderError):
    """The submission cannot be graded as it is; the trainee can mend it."""


class SubmissionRejected(SubmissionFault):
    """The submission was refused before anything of it ran; codes ``archive.*``, ``project.*``, ``dependencies.*``."""


class BuildFailed(SubmissionFault):
    """The dependencies of the submission could not be installed; codes ``build.*``."""

    def __init__(self, code: str, *, log: tuple[str, ...] = (), **params: Param) -> None:
        super().__init__(code, **params)
        self.log = log


class StartFailed(SubmissionFault):
    """The app gave no healthy answer in time; codes ``start.*``."""

    def __init__(self, code: str, *, log: tuple[str, ...] = (), **params: Param) -> None:
        super().__init__(code, **params)
        self.log = log


class PackInvalid(GraderError):
    """The exercise folder is not usable; its author can mend it. Codes ``pack.*``.

    ``file`` is the path inside the pack, ``where`` the key or line, ``problem`` what is wrong and ``fix`` what to do.
    """

    def __init__(self, code: str, *, file: str, problem: str, fix: str, where: str = "") -> None:
        super().__init__(code, file=file, where=where, problem=problem, fix=fix)
        self.file, self.where, self.problem, self.fix = file, where, problem, fix


class EnvironmentProblem(GraderError):
    """This machine lacks something that grading needs (engine, image, disk); codes ``environment.*``."""

    exit_code = EXIT_ENVIRONMENT


class InfrastructureFault(GraderError):
    """Something of ours broke during a grading; it says nothing about the submission. Codes ``infrastructure.*``."""

    exit_code = EXIT_ENVIRONMENT
