"""A service with one page; the example of docs/applications."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """Greet."""
    return "hello"


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=8000)  # noqa: S104 # reached from outside the container
