"""Makes the tables at the destination, and the view that has their version."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import publishers.postgres.tables as tables
from publishers.postgres.connection import Connection, NoTables
from runtime.commands import update_command
from runtime.errors import Unusable

if TYPE_CHECKING:
    import psycopg

TIMESCALE = b"SELECT to_regproc('create_hypertable') IS NOT NULL"
ROLES = """\
-- Each house has an account named as its house_id, and sees and changes its own rows only (docs/fleet.md):
-- CREATE ROLE houses NOLOGIN;
-- GRANT USAGE ON SCHEMA {schema} TO houses;
-- GRANT SELECT ON {schema}.schema_version TO houses;
{tables}
-- CREATE ROLE "harbour-street-5" LOGIN PASSWORD 'a-password-of-its-own' IN ROLE houses;"""
ROLES_OF_TABLE = """\
-- GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO houses;
-- ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
-- CREATE POLICY own ON {table} TO houses USING (house_id = current_user);"""


def statements(schema: str) -> list[str]:
    """Return the statements that make all that is missing."""
    made = [("houses", "house_id", tables.HOUSES)] + [
        (table.name, ", ".join(("house_id", *table.key)), table.columns)
        for table in (tables.READINGS, tables.DEVICES, tables.CYCLES)]
    return [f'CREATE SCHEMA IF NOT EXISTS "{schema}"', *(
        f'CREATE TABLE IF NOT EXISTS "{schema}".{name} (\n    house_id text NOT NULL,\n'
        + "".join(f"    {column} {kind},\n" for column, kind in columns.items()) + f"    PRIMARY KEY ({key})\n)"
        for name, key, columns in made),
        f'CREATE OR REPLACE VIEW "{schema}".schema_version AS SELECT {tables.VERSION} AS version']


def hypertable(schema: str) -> str:
    """Return TimescaleDB's statement (https://docs.timescale.com/api/latest/hypertable/create_hypertable_old/, 2026-11)."""
    return (f"""SELECT create_hypertable('"{schema}".readings', 'timestamp', """
            "chunk_time_interval => INTERVAL '7 days', if_not_exists => TRUE, migrate_data => TRUE)")


def script(schema: str) -> str:
    """Return the statements for psql, and in comments those for TimescaleDB and for many houses."""
    names = [f'"{schema}".{name}' for name in ("houses", "readings", "device_registry", "collection_cycles")]
    roles = ROLES.format(schema=f'"{schema}"', tables="\n".join(ROLES_OF_TABLE.format(table=name) for name in names))
    return "\n".join([*(f"{statement};" for statement in statements(schema)), "-- With TimescaleDB:",
                      f"-- {hypertable(schema)};", roles])


def execute(connection: Connection) -> str:
    """Make the missing ones. Raise Unusable for tables of a newer program, or the connection's errors."""
    schema = connection.where.schema
    with suppress(NoTables):
        connection.transact(lambda cursor: check_version(cursor, schema, connection.where.name))
    connection.transact(lambda cursor: _make(cursor, schema))
    return f"{connection.where.name} has the tables in the schema {schema}"


def check_version(cursor: "psycopg.Cursor[Any]", schema: str, name: str) -> None:
    """Raise Unusable for tables of a newer program."""
    version, = cursor.execute(tables.read_version(schema)).fetchone() or (0,)
    if version > tables.VERSION:
        raise Unusable(f"the tables of {name} were made by a newer version of this program (their form is {version}, this "
                       f"program knows {tables.VERSION})", f"update this program: {update_command()}")


def _make(cursor: "psycopg.Cursor[Any]", schema: str) -> None:
    for statement in statements(schema):
        cursor.execute(statement.encode())
    if (cursor.execute(TIMESCALE).fetchone() or (False,))[0]:
        cursor.execute(hypertable(schema).encode())
