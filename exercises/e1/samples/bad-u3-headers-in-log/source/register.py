"""The facility register, read with SQLAlchemy Core. Nothing is cached: closed clinics must vanish at once."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from sqlalchemy import (
    CHAR,
    Column,
    ColumnElement,
    Engine,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    create_engine,
    func,
    make_url,
    or_,
    select,
    tuple_,
)

from config import facility_url

metadata = MetaData()

facility = Table(
    "chospital",
    metadata,
    Column("hoscode", CHAR(5), primary_key=True),
    Column("hoscodenew", CHAR(9)),
    Column("hosname", Text),
    Column("hostype", CHAR(2)),
    Column("provcode", CHAR(2)),
    Column("distcode", CHAR(2)),
    Column("subdistcode", CHAR(2)),
    Column("mu", CHAR(2)),
    Column("postcode", CHAR(5)),
    Column("bed", Text),
    Column("tel", Text),
    Column("closed_date", CHAR(8)),
    Column("d_update", CHAR(14)),
)
facility_type = Table("chostype", metadata, Column("hostype", CHAR(2), primary_key=True), Column("typename", Text))
area = Table(
    "carea",
    metadata,
    Column("areacode", CHAR(6), primary_key=True),
    Column("prov_th", Text),
    Column("dist_th", Text),
    Column("tambon_th", Text),
)

UNKNOWN_PART = "00"


def _code(column: Column[str]) -> ColumnElement[str]:
    """A char(n) column as plain text, without its padding."""
    return func.btrim(func.coalesce(column.cast(Text), ""))


def _part(column: Column[str]) -> ColumnElement[str]:
    return func.coalesce(func.nullif(_code(column), ""), UNKNOWN_PART)


# Codes are compared byte by byte: a dictionary order would mix up what the cursor relies on.
areacode = (_part(facility.c.provcode) + _part(facility.c.distcode) + _part(facility.c.subdistcode)).collate("C")
hoscode = _code(facility.c.hoscode).collate("C")


def open_on(day: date) -> ColumnElement[bool]:
    """Open until the day before the closing date; no date, a blank and eight zeros mean "not closed"."""
    closed = _code(facility.c.closed_date)
    return or_(closed.in_(["", "00000000"]), closed.collate("C") > day.isoformat().replace("-", ""))


@lru_cache(maxsize=1)
def _engine() -> Engine:
    return create_engine(
        make_url(facility_url()).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",  # single reads; an open transaction would only block the register's owner
        pool_size=4,
        max_overflow=0,
        pool_pre_ping=True,  # the register may have dropped the connection since the last request
        connect_args={"connect_timeout": 3, "prepare_threshold": None},
    )


def _rows(statement: Select[tuple]) -> list[Row]:
    with _engine().connect() as connection:
        return list(connection.execute(statement))


def _facilities() -> Select[tuple]:
    return select(
        hoscode.label("code"),
        areacode.label("areacode"),
        _code(facility.c.hoscodenew).label("hoscodenew"),
        facility.c.hosname,
        _code(facility.c.hostype).label("type_code"),
        facility_type.c.typename.label("type_name"),
        facility.c.mu,
        facility.c.postcode,
        facility.c.bed,
        facility.c.tel,
        facility.c.closed_date,
        facility.c.d_update,
    ).outerjoin(facility_type, _code(facility_type.c.hostype) == _code(facility.c.hostype))


def find(code: str) -> Row | None:
    """One facility by its code, closed ones too."""
    rows = _rows(_facilities().where(hoscode == code))
    return rows[0] if rows else None


def page(
    *,
    day: date,
    area_prefix: str | None,
    type_code: str | None,
    name_part: str | None,
    after: tuple[str, str] | None,
    size: int,
) -> list[Row]:
    """At most ``size`` facilities open on ``day``, in order of (areacode, hoscode), after the given key."""
    statement = _facilities().where(open_on(day)).order_by(areacode, hoscode).limit(size)
    if area_prefix is not None:
        statement = statement.where(areacode.startswith(area_prefix, autoescape=True))
    if type_code is not None:
        statement = statement.where(_code(facility.c.hostype) == type_code)
    if name_part is not None:
        statement = statement.where(facility.c.hosname.icontains(name_part, autoescape=True))
    if after is not None:
        statement = statement.where(tuple_(areacode, hoscode) > tuple_(*after))
    return _rows(statement)


def count(area_prefix: str, day: date) -> int:
    statement = select(func.count()).select_from(facility).where(open_on(day), areacode.startswith(area_prefix))
    return int(_rows(statement)[0][0])


def area_exists(area_prefix: str) -> bool:
    return bool(_rows(select(area.c.areacode).where(area.c.areacode.startswith(area_prefix)).limit(1)))


def area_names(areacodes: Iterable[str]) -> list[Row]:
    """The rows of ``carea`` in the provinces of these area codes, in order of their code."""
    provinces = sorted({code[:2] for code in areacodes})
    if not provinces:
        return []
    return _rows(select(area).where(func.left(area.c.areacode, 2).in_(provinces)).order_by(area.c.areacode))
