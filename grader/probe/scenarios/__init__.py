"""Scenario checks: plain pytest files of the exercise with the fixtures they use."""

from grader.probe.scenarios.runner import run_scenarios
from grader.probe.session import Emit, Session


def examine(session: Session, emit: Emit) -> None:
    """Run the exercise's scenarios; one CheckEvidence for each check of the exercise's own that was asked for."""
    run_scenarios(session, emit)
