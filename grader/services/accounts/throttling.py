"""How often something may be tried: counted in the records, so that all processes and restarts share one count.

A try is counted before it is judged, and given back when it was right: a hundred tries at one moment are a hundred.
Nobody is ever locked out; whoever failed often waits, longer each time up to a limit, and then may try again.
"""

import hashlib
import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from grader.errors import UsageProblem
from grader.records import Records, Throttle
from grader.services.accounts.people import normal


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How many failures cost nothing, how long they are remembered, and the longest wait after more of them."""

    free: int
    window: timedelta
    longest: timedelta

    def wait(self, failures: int) -> timedelta:
        """1, 2, 4 … seconds after the first failure that is not free."""
        beyond = failures - self.free
        seconds = 0.0 if beyond <= 0 else 2.0 ** min(beyond - 1, 30)
        return min(timedelta(seconds=seconds), self.longest)


ACCOUNT: Final = Patience(free=5, window=timedelta(hours=24), longest=timedelta(minutes=5))
NETWORK: Final = Patience(free=100, window=timedelta(hours=1), longest=timedelta(minutes=1))
"""A whole training room sits behind one address."""

KEPT: Final = timedelta(days=1)
_IPV4_PREFIX: Final = 24
_IPV6_PREFIX: Final = 64
_INSERTS: Final[Mapping[str, sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert(Throttle),
    "postgresql": postgresql.insert(Throttle),
}


def begin(records: Records, *, login: str, network: str) -> None:
    """Count one try to sign in, before it is judged; ``network`` is the client's address.

    Raises:
        UsageProblem: ``account.slow_down`` with the ``seconds`` to wait.
    """
    keys = _keys(login, network)
    with records.upkeep() as session:
        rows = {key: _locked(records, session, key) for key in sorted(keys)}  # in one order: nobody waits in a circle
        now = records.database.now(session)
        for key, row in rows.items():
            if now - row.since >= keys[key].window:
                row.count, row.since, row.until = 0, now, None
        until = max((row.until for row in rows.values() if row.until is not None), default=now)
        if until > now:
            raise UsageProblem("account.slow_down", seconds=_seconds(until - now))
        for key, row in rows.items():
            row.count += 1
            wait = keys[key].wait(row.count)
            row.until = now + wait if wait else None


def passed(session: Session, *, login: str, network: str) -> None:
    """The try was right: the account's failures are forgotten, the network's are not, but this was none of them."""
    clear(session, login)
    mine = Throttle.key == _network(network)
    session.execute(update(Throttle).where(mine, Throttle.count > 0).values(count=Throttle.count - 1))
    session.execute(update(Throttle).where(mine, Throttle.count <= NETWORK.free).values(until=None))


def clear(session: Session, login: str) -> None:
    """Forget the failures of an account."""
    session.execute(update(Throttle).where(Throttle.key == _account(login)).values(count=0, until=None))


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of one more of something that is limited to ``most`` in ``per``.

    ``granted`` or not; ``left`` more may follow at once, and in ``seconds`` there is one more than now.
    """

    most: int
    per: timedelta
    granted: bool
    left: int
    seconds: int


def take(records: Records, *, key: str, most: int, per: timedelta) -> Taken:
    """Let something happen at most so many times in a time, then as often as that time allows on the average."""
    share = per // most
    with records.upkeep() as session:
        row = _locked(records, session, f"limit:{_hash(key)}")
        now = records.database.now(session)
        # ``until`` is when all that happened is paid for, at one share each; it may lie as far ahead as ``per``.
        owed = max(row.until or now, now) - now
        granted = owed + share <= per
        if granted:
            owed += share
            row.count, row.since, row.until = row.count + 1, now, now + owed
    left = int((per - owed) / share)
    return Taken(most=most, per=per, granted=granted, left=left, seconds=_seconds(owed + share * (left + 1) - per))


def limit(records: Records, *, key: str, most: int, per: timedelta) -> None:
    """See :func:`take`.

    Raises:
        UsageProblem: ``account.too_often`` with the ``seconds`` to wait.
    """
    taken = take(records, key=key, most=most, per=per)
    if not taken.granted:
        raise UsageProblem("account.too_often", seconds=taken.seconds)


def tidy(session: Session, now: datetime) -> None:
    """Remove counters that say nothing any more."""
    over = (Throttle.since < now - KEPT, (Throttle.until.is_(None)) | (Throttle.until < now))
    session.execute(delete(Throttle).where(*over))


def network_of(address: str) -> str:
    """The network of an address: /24 of IPv4, /64 of IPv6; "" for what is no address."""
    try:
        found = ipaddress.ip_address(address.strip().partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    prefix = _IPV4_PREFIX if found.version == 4 else _IPV6_PREFIX  # noqa: PLR2004 - the version of the protocol
    return str(ipaddress.ip_network((found, prefix), strict=False))


def _keys(login: str, network: str) -> Mapping[str, Patience]:
    return {_account(login): ACCOUNT, _network(network): NETWORK}


def _account(login: str) -> str:
    return f"account:{_hash(normal(login))}"  # also of a login that nobody has: the answers must not differ


def _network(address: str) -> str:
    return f"network:{_hash(network_of(address))}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _locked(records: Records, session: Session, key: str) -> Throttle:
    """The row of a key, made when it is missing, and held until the transaction ends."""
    wanted = select(Throttle).where(Throttle.key == key).with_for_update()
    while (found := session.scalars(wanted).one_or_none()) is None:
        insert = _INSERTS[records.database.dialect].on_conflict_do_nothing(index_elements=["key"])
        session.execute(insert, {"key": key, "count": 0, "since": records.database.now(session)})
    return found


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))
