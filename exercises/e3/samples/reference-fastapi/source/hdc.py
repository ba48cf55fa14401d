"""The files PERSON, PRENATAL and ANC of HDC, read with SQLAlchemy Core."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Column, Engine, MetaData, Row, String, Table, create_engine, make_url, select

from config import hdc_url

metadata = MetaData()

person = Table(
    "person",
    metadata,
    Column("hospcode", String(5), primary_key=True),
    Column("pid", String(15), primary_key=True),
    Column("cid", String(40)),
    Column("birth", String(8)),
)
prenatal = Table(
    "prenatal",
    metadata,
    Column("hospcode", String(5), primary_key=True),
    Column("pid", String(15), primary_key=True),
    Column("gravida", String(2), primary_key=True),
    Column("lmp", String(20)),
    Column("d_update", String(14)),
)
anc = Table(
    "anc",
    metadata,
    Column("hospcode", String(5), primary_key=True),
    Column("pid", String(15), primary_key=True),
    Column("seq", String(16), primary_key=True),
    Column("date_serv", String(8)),
    Column("gravida", String(2)),
    Column("ga", String(30)),
)


@dataclass(frozen=True, kw_only=True)
class Files:
    """All rows of the three files."""

    persons: Sequence[Row]
    prenatals: Sequence[Row]
    visits: Sequence[Row]


@lru_cache(maxsize=1)
def _engine() -> Engine:
    return create_engine(
        make_url(hdc_url()).set(drivername="mysql+pymysql"),
        pool_size=4,
        max_overflow=0,
        pool_pre_ping=True,  # the server may have dropped the connection since the last request
        connect_args={"charset": "utf8mb4", "connect_timeout": 3, "read_timeout": 5},
    )


def read() -> Files:
    """The three files as they are now: one statement each, whatever the number of women."""
    with _engine().connect() as connection:  # one transaction, so that all three are of the same moment
        return Files(
            persons=connection.execute(select(person)).all(),
            prenatals=connection.execute(select(prenatal)).all(),
            visits=connection.execute(select(anc)).all(),
        )
