"""Gives Dagster a login of its own, which owns its database and may do nothing outside of it.

templates/database-login.yaml runs it as the owner that RDS made, with libpq's variables (PGHOST, …).
"""

import os

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection, cursor, encrypt_password


def main() -> None:
    with psycopg2.connect("") as opened, opened.cursor() as at:
        give_login(opened, at, os.environ["LOGIN_NAME"], os.environ["LOGIN_PASSWORD"])


def give_login(opened: connection, at: cursor, name: str, password: str) -> None:
    """In one transaction, and as often as you like."""
    login = sql.Identifier(name)
    at.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
    verb = sql.SQL("ALTER" if at.fetchone() else "CREATE")
    # A hash, because the server's log has this statement.
    secret = sql.Literal(encrypt_password(password, name, opened, "scram-sha-256"))
    at.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, login, secret))
    # Only a member may hand objects over, and pods that still log in as the owner keep their access.
    at.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(login))
    at.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(opened.info.dbname), login))
    at.execute("SELECT schemaname, tablename FROM pg_tables WHERE tableowner = CURRENT_USER AND schemaname = 'public'")
    for table in at.fetchall():
        at.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(*table), login))


if __name__ == "__main__":
    main()
