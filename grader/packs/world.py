"""What an exercise's ``world.py`` builds: one seed in, the agencies' data and the expected answers out.

A world is pure: no clock, no network, no file. The same seed gives the same world on every machine. All people in it
are synthetic: digits 2 and 3 of every citizen number are 97 and the province is จังหวัดสาธิต (97).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]


def cid_check_digit(first12: str) -> int:
    """The 13th digit of a citizen number from its first 12 ASCII digits (mod 11, weights 13 to 2)."""
    return (11 - sum(int(digit) * (13 - place) for place, digit in enumerate(first12)) % 11) % 10


def synthetic_cid(office: int, running: int, person_type: int = 1) -> str:
    """A valid citizen number that belongs to nobody: digits 2-3 are 97; ``office`` 0-99, ``running`` 0-9999999."""
    first12 = f"{person_type}97{office:02d}{running:07d}"
    return first12 + str(cid_check_digit(first12))


@dataclass(frozen=True, kw_only=True)
class Person:
    """A synthetic person whose number and name must never leave the app.

    ``identifiers`` are the person's other numbers (PIDs, HNs, numbers written wrongly on purpose): 7 to 15 ASCII digits
    that read neither as a date nor as an area code. Shorter ones would be found by chance where nobody is meant.
    """

    cid: str
    name: str
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One thing that a mutator dirtied: its name, the row it touched, and what it did."""

    mutator: str
    target: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How many edge cases of one kind a world must hold so that its check really fires."""

    name: str
    minimum: int
    count: int


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything one attempt is graded on.

    ``tables`` is agency -> table -> rows (a row maps column to value). ``examples`` is operationId -> parameter sets
    that a correct app answers with a documented 2xx. ``oracle`` is the exercise's own object with the expected answers.
    ``env`` is added to the app's environment. ``as_of`` is the frozen "now" (RFC 3339 with offset).
    """

    seed: int
    as_of: str
    tables: Mapping[str, Mapping[str, Sequence[Row]]]
    oracle: Any
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    people: Sequence[Person] = ()
    mutations: Sequence[Mutation] = ()
    quotas: Sequence[Quota] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def empty_quotas(self) -> Iterable[Quota]:
        """Quotas that this world misses: a fault of the generator, never a pass of the submission."""
        return [quota for quota in self.quotas if quota.count < quota.minimum]
