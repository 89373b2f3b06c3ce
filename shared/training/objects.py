"""Objects: attributes, methods, properties, slots, inheritance, operators; a simulated shop with customers."""

import heapq
import random
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    def __eq__(self, other):
        return isinstance(other, Vector) and self.x == other.x and self.y == other.y

    def __hash__(self):
        return hash((self.x, self.y))

    @property
    def squared(self):
        return self.x * self.x + self.y * self.y


class Item(NamedTuple):
    name: str
    price: int
    weight: float


class Account:
    opened = 0

    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance
        self.history = []
        Account.opened += 1

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError(amount)
        self.balance += amount
        self.history.append(("in", amount))
        return self

    def withdraw(self, amount):
        if amount > self.available():
            return False
        self.balance -= amount
        self.history.append(("out", amount))
        return True

    def available(self):
        return self.balance


class Credit(Account):
    def __init__(self, owner, balance=0, limit=100):
        super().__init__(owner, balance)
        self.limit = limit

    def available(self):
        return super().available() + self.limit

    def __getattr__(self, name):
        if name.startswith("is_"):
            return self.owner == name[3:]
        raise AttributeError(name)


@dataclass(order=True)
class Visit:
    time: int
    number: int
    account: Optional[Account] = field(compare=False, default=None)
    basket: List[Item] = field(compare=False, default_factory=list)


@dataclass
class Shop:
    stock: Dict[str, int]
    prices: Dict[str, Item]
    sold: int = 0
    refused: int = 0

    def serve(self, visit):
        total = sum(item.price for item in visit.basket)
        if all(self.stock.get(item.name, 0) > 0 for item in visit.basket) and visit.account.withdraw(total):
            for item in visit.basket:
                self.stock[item.name] -= 1
            self.sold += len(visit.basket)
        else:
            self.refused += 1


def shop(rng):
    names = [f"item{number}" for number in range(50)]
    items = {name: Item(name, rng.randrange(1, 90), rng.random()) for name in names}
    place = Shop(dict.fromkeys(names, 40), items)
    accounts = [rng.choice((Account, Credit))(f"owner{number}", 200) for number in range(60)]
    agenda = []
    for number in range(1500):
        basket = [items[rng.choice(names)] for _ in range(rng.randrange(1, 6))]
        heapq.heappush(agenda, Visit(rng.randrange(10000), number, rng.choice(accounts), basket))
    while agenda:
        visit = heapq.heappop(agenda)
        place.serve(visit)
        if visit.number % 7 == 0:
            visit.account.deposit(30)
        if isinstance(visit.account, Credit) and visit.account.is_nobody:
            place.refused += 1
        try:
            visit.account.deposit(-visit.number % 3)
        except ValueError:
            visit.basket.clear()
    return place.sold, place.refused


def swarm(rng):
    points = [Vector(rng.random(), rng.random()) for _ in range(40)]
    speeds = [Vector(rng.random() - 0.5, rng.random() - 0.5) for _ in points]
    for _ in range(40):
        middle = points[0]
        for point in points[1:]:
            middle = middle + point
        middle = middle * (1 / len(points))
        for number, point in enumerate(points):
            pull = (middle - point) * 0.01
            if pull.squared > 0.5:
                pull = pull * 0.5
            speeds[number] = speeds[number] + pull
            points[number] = point + speeds[number]
    return len(set(points))


class Node:
    def __init__(self, key):
        self.key = key
        self.left = None
        self.right = None

    def insert(self, key):
        node = self
        while True:
            if key < node.key:
                if node.left is None:
                    node.left = Node(key)
                    return
                node = node.left
            else:
                if node.right is None:
                    node.right = Node(key)
                    return
                node = node.right

    def depth(self):
        left = self.left.depth() if self.left is not None else 0
        right = self.right.depth() if self.right is not None else 0
        return 1 + max(left, right)

    def __contains__(self, key):
        node = self
        while node is not None and node.key != key:
            node = node.left if key < node.key else node.right
        return node is not None


def tree(rng):
    root = Node(500)
    for _ in range(1500):
        root.insert(rng.randrange(1000))
    return root.depth(), sum(key in root for key in range(1000))


def main():
    rng = random.Random(7)
    for _ in range(100):
        shop(rng)
        swarm(rng)
        tree(rng)


if __name__ == "__main__":
    main()
