"""Who may sign in: accounts with their roles, and everything that proves who somebody is.

Nothing here opens a door by itself: identifiers, links and tokens are kept as SHA-256, passwords as Argon2id, and a
person is known to a sign-in service by its own id of them, never by an address or a citizen number.
"""

from typing import Literal, TypeAlias

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from grader.records.columns import Base, Id, Moment, Sha256
from grader.records.people import Person
from grader.records.rounds import TrainingRound, one_of

Role: TypeAlias = Literal["instructor", "coordinator", "finance", "executive", "admin"]
"""What an account may be beside a trainee, which it is by its person and seats."""
Purpose: TypeAlias = Literal["first_admin", "set_password"]
Way: TypeAlias = Literal["password", "identity"]
"""By what somebody signed in: a password of ours, or a sign-in service."""


class Account(Base):
    """Somebody who may sign in. ``login`` is kept casefolded; a trainee's is the code of the person.

    The account of a person on a roster has no name or address of its own: it would be a second copy to keep right and
    to erase. Without ``password_hash`` nobody comes in by a password.
    """

    __tablename__ = "account"

    id: Mapped[Id] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(255), default="")
    person_id: Mapped[Id | None] = mapped_column(ForeignKey("person.id"), unique=True)
    language: Mapped[str] = mapped_column(String(2), default="th")
    password_hash: Mapped[str] = mapped_column(Text, default="")
    password_changed_at: Mapped[Moment | None]
    disabled_at: Mapped[Moment | None]
    created_at: Mapped[Moment]

    person: Mapped[Person | None] = relationship()

    @property
    def shown_name(self) -> str:
        """How pages call them: the account's own name, else the person's, else the login."""
        return self.name or (self.person.name if self.person else "") or self.login


class AccountRole(Base):
    """A role that an account has now, in one training round or (``round_id`` is None) in all; the audit has the past.

    ``role_grant`` is another table: the right to certify, which is given to a name and needs no account.
    """

    __tablename__ = "account_role"
    __table_args__ = (
        one_of("role", Role),
        UniqueConstraint("account_id", "role", "round_id"),
        # Two rows without a round are different to a unique constraint, because NULL is unlike NULL.
        Index("uq_account_role_whole", "account_id", "role", unique=True, sqlite_where=text("round_id IS NULL"),
              postgresql_where=text("round_id IS NULL")),
    )  # fmt: skip

    id: Mapped[Id] = mapped_column(primary_key=True)
    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    round_id: Mapped[Id | None] = mapped_column(ForeignKey("training_round.id"), index=True)
    by: Mapped[str] = mapped_column(String(255))
    at: Mapped[Moment]

    round: Mapped[TrainingRound | None] = relationship()


class Identity(Base):
    """How a sign-in service (OpenID Connect) knows an account: its own address and its own id of the person."""

    __tablename__ = "identity"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), index=True)
    at: Mapped[Moment]


class PortalSession(Base):
    """Somebody who is signed in. ``hash`` is that of the identifier in the cookie, ``id`` what people see and end.

    ``confirmed_at`` is when they last proved who they are, as far as that is known.
    """

    __tablename__ = "portal_session"
    __table_args__ = (one_of("way", Way),)

    hash: Mapped[Sha256] = mapped_column(primary_key=True)
    id: Mapped[Id] = mapped_column(unique=True)
    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), index=True)
    created_at: Mapped[Moment]
    seen_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    agent: Mapped[str] = mapped_column(String(255), default="")
    way: Mapped[str] = mapped_column(String(16))
    confirmed_at: Mapped[Moment | None]


class HalfSignIn(Base):
    """Somebody whose password was right and who still owes the second step. It is no session, and never becomes one."""

    __tablename__ = "half_sign_in"

    hash: Mapped[Sha256] = mapped_column(primary_key=True)
    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), index=True)
    expires_at: Mapped[Moment]
    agent: Mapped[str] = mapped_column(String(255), default="")


class SecondFactor(Base):
    """The device that makes codes for an account. ``secret`` is sealed; no step up to ``last_step`` counts again."""

    __tablename__ = "second_factor"

    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(Text)
    last_step: Mapped[int] = mapped_column(BigInteger)
    enrolled_at: Mapped[Moment]


class RecoveryCode(Base):
    """A code on paper for the day on which the device is lost; good once."""

    __tablename__ = "recovery_code"

    hash: Mapped[Sha256] = mapped_column(primary_key=True)
    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), index=True)
    used_at: Mapped[Moment | None]


class OneTimeLink(Base):
    """A link that lets its holder set the password of an account, once."""

    __tablename__ = "one_time_link"
    __table_args__ = (one_of("purpose", Purpose),)

    hash: Mapped[Sha256] = mapped_column(primary_key=True)
    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]
    by: Mapped[str] = mapped_column(String(255))


class ApiToken(Base):
    """What a program of an account shows instead of signing in; it may do what its ``scopes`` say and no more."""

    __tablename__ = "api_token"

    id: Mapped[Id] = mapped_column(primary_key=True)
    account_id: Mapped[Id] = mapped_column(ForeignKey("account.id"), index=True)
    hash: Mapped[Sha256] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[list[str]] = mapped_column(JSON())
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]


class Throttle(Base):
    """How often something was tried, shared by all processes. ``key`` holds hashes only: no login and no address.

    Tries since ``since`` are counted; before ``until`` there is no other.
    """

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(String(96), primary_key=True)
    count: Mapped[int]
    since: Mapped[Moment]
    until: Mapped[Moment | None]
