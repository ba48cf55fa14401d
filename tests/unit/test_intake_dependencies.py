"""Dependency files: what is allowed, and the line that is not."""

import pytest

from grader.errors import SubmissionRejected
from grader.intake.dependencies import Found, read_dependencies

HASH = "sha256:" + "0123456789abcdef" * 4


def read(text: str | bytes, file: str = "requirements.txt") -> Found:
    """Read a dependency file that must be accepted."""
    found = read_dependencies({file: text.encode() if isinstance(text, str) else text})
    assert found is not None
    return found


def refusal(text: str | bytes, file: str = "requirements.txt") -> SubmissionRejected:
    """Return the refusal of a dependency file that must be refused."""
    with pytest.raises(SubmissionRejected) as caught:
        read(text, file)
    return caught.value


def test_allowed_lines() -> None:
    """Names, versions, extras, markers, hashes, comments and continued lines are read with their line numbers."""
    text = f"""# what the app needs
fastapi==0.115.0  # web
uvicorn[standard] >= 0.30, < 1

psycopg[binary]==3.2.1 \\
    --hash={HASH} \\
    --hash=sha512:{"ab" * 64}
tzdata; sys_platform == "win32"
"""
    assert read(text).lines == (
        (2, "fastapi==0.115.0"),
        (3, "uvicorn[standard]<1,>=0.30"),
        (5, f"psycopg[binary]==3.2.1 --hash={HASH} --hash=sha512:{'ab' * 64}"),
        (8, 'tzdata; sys_platform == "win32"'),
    )


def test_packages_are_canonical() -> None:
    """Names are compared in their canonical form, with the extras of all lines together."""
    packages = read("FastAPI[all]\nfastapi[Standard]\nruamel.yaml\n").packages
    assert packages == {"fastapi": frozenset({"all", "standard"}), "ruamel-yaml": frozenset()}


@pytest.mark.parametrize(
    "line",
    [
        "-r base.txt",
        "--requirement=base.txt",
        "-c constraints.txt",
        "-e .",
        "-e git+https://example.com/x.git",
        "--index-url https://example.com/simple",
        "-i https://example.com/simple",
        "--extra-index-url https://example.com/simple",
        "--find-links ./wheels",
        "--no-binary :all:",
        "--pre",
        "fastapi --config-settings=a=b",
        "fastapi --hash=md5:0123",
        "https://example.com/x.whl",
        "git+https://example.com/x.git",
        "x @ https://example.com/x.whl",
        "x @ file:///etc/passwd",
        ".",
        "./x",
        "../x",
        "/srv/x",
        "C:\\x\\y.whl",
        "x-1.0-py3-none-any.whl",
        "x.tar.gz",
    ],
)
def test_anything_else_is_refused_by_line(line: str) -> None:
    """Options, addresses and paths are refused with their line number and text."""
    error = refusal(f"fastapi\n\n{line}\n")
    assert error.code == "dependencies.not_allowed"
    assert (error.params["line"], error.params["text"]) == (3, line)


@pytest.mark.parametrize("line", ["fastapi = 1.0", "fastapi==", "!!", "${PACKAGE}", "pip install fastapi", "ก"])
def test_unreadable_line_is_refused(line: str) -> None:
    """A line that is no requirement is refused as such, not as something forbidden."""
    error = refusal(f"fastapi\n{line}\n")
    assert (error.code, error.params["line"]) == ("dependencies.bad_line", 2)


def test_credentials_in_a_refused_line_are_masked() -> None:
    """The refusal shows the line, never the password in it."""
    text = str(refusal("--index-url https://me:hunter2@example.com/simple\n").params["text"])
    assert "hunter2" not in text
    assert "***@example.com" in text


def test_continuation_counts_from_its_first_line() -> None:
    """An option hidden in a continued line is refused with the line on which the requirement starts."""
    error = refusal("a\nfastapi \\\n  --hash=" + HASH + " \\\n  --index-url=x\n")
    assert (error.code, error.params["line"]) == ("dependencies.not_allowed", 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_encodings_of_editors_and_powershell(encoding: str, ending: str) -> None:
    """UTF-8 with or without a mark and UTF-16 with one are read, with both line endings."""
    found = read(f"fastapi{ending}uvicorn{ending}".encode(encoding))
    assert found.lines == ((1, "fastapi"), (2, "uvicorn"))
    assert found.notes == (("receipt.dependencies_utf16",) if encoding == "utf-16" else ())


@pytest.mark.parametrize("content", ["fastapi".encode("utf-16-le"), b"fastapi # \xa1\xa2", b"\xff\xfea"])
def test_other_encodings_are_refused(content: bytes) -> None:
    """What cannot be read for sure is refused, not guessed."""
    assert refusal(content).code == "dependencies.encoding"


def test_size_is_bounded() -> None:
    """A file of a megabyte and a list of thousands are no dependency files."""
    assert refusal(b"#" * 1_000_000).code == "dependencies.too_large"
    assert refusal("fastapi\n" * 1_001).code == "dependencies.too_large"


def test_pyproject_dependencies() -> None:
    """The static list of the project table is read, with the lines it stands on."""
    found = read('[project]\nname = "x"\ndependencies = [\n  "fastapi>=0.1",\n  "uvicorn",\n]\n', "pyproject.toml")
    assert found.lines == ((4, "fastapi>=0.1"), (5, "uvicorn"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[project]\ndynamic = ["dependencies"]\n', "dependencies.not_allowed"),
        ('[project]\ndependencies = ["x @ https://example.com/x.whl"]\n', "dependencies.not_allowed"),
        ('[tool.poetry.dependencies]\nfastapi = "*"\n', "dependencies.not_allowed"),
        ('[project]\ndependencies = "fastapi"\n', "dependencies.bad_file"),
        ("project = 1\n", "dependencies.bad_file"),
        ("[project\n", "dependencies.bad_file"),
        ("a = " + "[" * 5_000, "dependencies.bad_file"),
    ],
)
def test_pyproject_refusals(text: str, code: str) -> None:
    """Dynamic lists, addresses and other tools' tables are refused; a broken file is named as broken."""
    assert refusal(text, "pyproject.toml").code == code


def test_requirements_win_over_pyproject() -> None:
    """With both files, requirements.txt is the one that says what is installed."""
    found = read_dependencies({"requirements.txt": b"flask\n", "pyproject.toml": b"[project\n"})
    assert found is not None
    assert found.file == "requirements.txt"
