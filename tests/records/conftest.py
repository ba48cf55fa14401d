"""Fixtures of the tests of backups and accounts."""

from tests.fixtures.accounts import room
from tests.fixtures.keeping import other, saved

__all__ = ["other", "room", "saved"]
