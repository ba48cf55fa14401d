"""One submission from archive to verdict."""

from grader.grading.pipeline import grade

__all__ = ["grade"]
