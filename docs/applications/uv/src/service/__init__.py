"""A service with one page; the example of docs/applications."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def hello() -> str:
    """Greet."""
    return "hello"
