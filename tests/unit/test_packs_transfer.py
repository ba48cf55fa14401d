"""The graded files: what the digest covers and how they travel to the probe."""

import io
import tarfile
from pathlib import Path

import pytest

from grader.errors import InfrastructureFault
from grader.packs import load_pack, pack_tar, unpack_pack
from grader.packs.transfer import graded_files
from tests.fixtures.pack_builder import PackBuilder, build_pack


@pytest.fixture
def builder(tmp_path: Path) -> PackBuilder:
    """A clean pack."""
    return build_pack(tmp_path / "exercises")


def test_graded_files_are_those_that_decide(builder: PackBuilder) -> None:
    """Briefs, samples, starter, hidden files and caches do not decide a verdict."""
    builder.write(".DS_Store", "x").write("scenarios/__pycache__/a.pyc", "x").write("README.md", "x")
    assert graded_files(builder.root) == (
        "agencies/store.sql",
        "checks.toml",
        "contract.yaml",
        "exercise.toml",
        "scenarios/test_items.py",
        "world.py",
    )


@pytest.mark.parametrize("file", ["exercise.toml", "checks.toml", "contract.yaml", "world.py", "agencies/store.sql"])
def test_the_digest_changes_with_a_graded_file(builder: PackBuilder, file: str) -> None:
    """One more byte in a file that decides gives another digest."""
    before = builder.load().digest
    comment = "-- more\n" if file.endswith(".sql") else "# more\n"
    builder.write(file, (builder.root / file).read_text("utf-8") + comment)
    assert builder.load().digest != before


@pytest.mark.parametrize("file", ["brief.th.md", "samples/bad-s1/source/app.py", "starter/python/app.py"])
def test_the_digest_keeps_when_nothing_decides(builder: PackBuilder, file: str) -> None:
    """A corrected brief or sample leaves earlier verdicts comparable."""
    before = builder.load().digest
    builder.write(file, "changed")
    assert builder.load().digest == before


def test_a_pack_travels_unchanged(builder: PackBuilder, tmp_path: Path) -> None:
    """What the probe unpacks is the same exercise, without its samples."""
    pack = builder.load()
    there = load_pack(unpack_pack(pack_tar(pack), tmp_path / "probe"))
    assert there.digest == pack.digest
    assert there.checks == pack.checks
    assert not (there.root / "samples").exists()


def test_the_tar_is_the_same_on_every_machine(builder: PackBuilder, tmp_path: Path) -> None:
    """Times, owners and the folder's place leave no trace."""
    other = build_pack(tmp_path / "another")
    (other.root / "world.py").chmod(0o600)
    assert pack_tar(builder.load()) == pack_tar(other.load())


def _tar(name: str, *, kind: bytes = tarfile.REGTYPE, size: int = 1, times: int = 1) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for _ in range(times):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "target"
            member.size = size if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        _tar("../outside"),
        _tar("/tmp/outside"),
        _tar("a\\b"),
        _tar("link", kind=tarfile.SYMTYPE),
        _tar("link", kind=tarfile.LNKTYPE),
        _tar("pipe", kind=tarfile.FIFOTYPE),
        _tar("large", size=8 * 1024 * 1024 + 1),
        _tar("twice", times=2),
        b"no tar at all",
    ],
    ids=["up", "absolute", "backslash", "symlink", "hardlink", "fifo", "large", "twice", "rubbish"],
)
def test_a_broken_transfer_is_our_fault(tmp_path: Path, data: bytes) -> None:
    """Bytes that pack_tar never makes are refused, and nothing is written outside of the folder."""
    with pytest.raises(InfrastructureFault) as caught:
        unpack_pack(data, tmp_path / "probe")
    assert caught.value.code == "infrastructure.pack_transfer"
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]
