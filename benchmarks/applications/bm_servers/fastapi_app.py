"""JSON that pydantic validates and FastAPI serves."""

import os

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    """An item for sale."""

    id: int
    name: str
    price: float


class Answer(BaseModel):
    """A list of items and their number."""

    items: list[Item]
    count: int


ITEMS = [Item(id=number, name=f"item {number}", price=number * 1.5) for number in range(20)]


@app.get("/pid")
async def pid() -> int:
    """Return the ID of the process that answers."""
    return os.getpid()


@app.get("/items/{low}")
async def items(low: int, format: str = "json") -> Answer:
    """Return the items with numbers from ``low`` on."""
    found = [item for item in ITEMS if item.id >= low]
    return Answer(items=found, count=len(found))
