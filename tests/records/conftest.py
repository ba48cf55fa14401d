"""Fixtures of the tests of backups."""

from tests.fixtures.keeping import other, saved

__all__ = ["other", "saved"]
