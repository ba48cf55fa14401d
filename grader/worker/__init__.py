"""The worker: claim, grade, record, until it is told to stop. The only long-lived process that drives the engine."""

from grader.worker.fetcher import Fetcher, Source
from grader.worker.fitness import Fitness, fitness, slots_for
from grader.worker.slot import Slot
from grader.worker.supervisor import supervise

__all__ = ["Fetcher", "Fitness", "Slot", "Source", "fitness", "slots_for", "supervise"]
