"""Exercises as folders: load, validate, lint."""

from grader.packs.load import describe, find_pack, list_packs, load_pack
from grader.packs.model import (
    AgencySpec,
    Check,
    ContractBudget,
    Exercise,
    Limits,
    Operation,
    Pack,
    PassRule,
    Sample,
    Text,
    Weights,
)
from grader.packs.samples import samples, submission_of, write_submission
from grader.packs.transfer import pack_tar, unpack_pack
from grader.packs.world import Mutation, Person, Quota, Row, World
from grader.packs.worldbuild import build_world

__all__ = [
    "AgencySpec",
    "Check",
    "ContractBudget",
    "Exercise",
    "Limits",
    "Mutation",
    "Operation",
    "Pack",
    "PassRule",
    "Person",
    "Quota",
    "Row",
    "Sample",
    "Text",
    "Weights",
    "World",
    "build_world",
    "describe",
    "find_pack",
    "list_packs",
    "load_pack",
    "pack_tar",
    "samples",
    "submission_of",
    "unpack_pack",
    "write_submission",
]
