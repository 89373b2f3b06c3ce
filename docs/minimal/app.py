"""A service that uses binary wheels, TLS and time zones; the example of docs/minimal.md."""

import os
import ssl
import tempfile
import urllib.request
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy
import psycopg
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Matrix(BaseModel):
    """A square matrix."""

    rows: list[list[float]]


@app.get("/")
def about() -> dict[str, object]:
    """Report the user, the writable directories and the loaded libraries."""
    with tempfile.NamedTemporaryFile() as scratch:
        temporary = os.path.dirname(scratch.name)
    return {
        "uid": os.getuid(),
        "temporary": temporary,
        "root_writable": os.access("/", os.W_OK),
        "libpq": psycopg.pq.version(),
        "numpy": numpy.__version__,
        "berlin": datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")).isoformat(),
    }


@app.post("/determinant")
def determinant(matrix: Matrix) -> float:
    """Compute the determinant with LAPACK."""
    return float(numpy.linalg.det(numpy.array(matrix.rows)))


@app.get("/database")
def database(url: str) -> str:
    """Return the version of a PostgreSQL server, or the connection error."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            return str(connection.execute("select version()").fetchone()[0])
    except psycopg.OperationalError as error:
        return f"OperationalError: {error}"


@app.get("/fetch")
def fetch(url: str) -> dict[str, object]:
    """Fetch a URL over TLS and verify the server's certificate."""
    with urllib.request.urlopen(url, timeout=5, context=ssl.create_default_context()) as answer:
        return {"status": answer.status, "body": answer.read().decode()}
