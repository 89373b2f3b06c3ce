"""Some JSON, validated by pydantic and served by FastAPI."""

import os

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    """Something for sale."""

    id: int
    name: str
    price: float


class Answer(BaseModel):
    """What was found."""

    items: list[Item]
    count: int


ITEMS = [Item(id=number, name=f"item {number}", price=number * 1.5) for number in range(20)]


@app.get("/pid")
async def pid() -> int:
    """Return the process that answers."""
    return os.getpid()


@app.get("/items/{low}")
async def items(low: int, format: str = "json") -> Answer:
    """Return the items from ``low`` on."""
    found = [item for item in ITEMS if item.id >= low]
    return Answer(items=found, count=len(found))
