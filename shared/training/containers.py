"""Containers: lists, dicts, sets, tuples, comprehensions, sorting, slices, deque, Counter, itertools; grids, graphs."""

import bisect
import heapq
import itertools
import operator
import random
from collections import Counter, OrderedDict, defaultdict, deque


def inventory(rng):
    rows = [
        {"id": number, "kind": rng.choice("abcde"), "size": rng.randrange(100), "tags": [rng.choice("xyz")] * 2}
        for number in range(1200)
    ]
    kinds = defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row)
    totals = {kind: sum(row["size"] for row in members) for kind, members in kinds.items()}
    large = [row["id"] for row in rows if row["size"] > 50 and "x" in row["tags"]]
    ranked = sorted(rows, key=lambda row: (-row["size"], row["kind"]))
    by_size = sorted(rows, key=operator.itemgetter("size"))
    named = {f"{row['kind']}{row['id']}": row for row in ranked[:200]}
    merged = {**named, **{str(number): None for number in range(100)}}
    for key in list(merged):
        if key.startswith("a") or merged[key] is None:
            del merged[key]
    groups = [(key, len(list(group))) for key, group in itertools.groupby(by_size, key=operator.itemgetter("size"))]
    return totals, len(large), len(merged), len(groups), {kind for kind in totals if totals[kind] % 2}


def paths(rng):
    graph = {node: {} for node in range(300)}
    for node in graph:
        for other in rng.sample(range(300), 4):
            graph[node][other] = rng.randrange(1, 20)
    distances, queue = {0: 0}, [(0, 0)]
    while queue:
        distance, node = heapq.heappop(queue)
        if distance > distances[node]:
            continue
        for other, length in graph[node].items():
            found = distance + length
            if found < distances.get(other, 1 << 30):
                distances[other] = found
                heapq.heappush(queue, (found, other))
    seen, waiting = {0}, deque([0])
    while waiting:
        node = waiting.popleft()
        for other in graph[node]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return len(distances), len(seen)


def life(rng, size, rounds):
    grid = [[rng.random() < 0.3 for _ in range(size)] for _ in range(size)]
    for _ in range(rounds):
        fresh = []
        for y in range(size):
            row = []
            above, here, below = grid[y - 1], grid[y], grid[(y + 1) % size]
            for x in range(size):
                left, right = x - 1, (x + 1) % size
                count = (
                    above[left] + above[x] + above[right] + here[left] + here[right]
                    + below[left] + below[x] + below[right]
                )  # fmt: skip
                row.append(count == 3 or (count == 2 and here[x]))
            fresh.append(row)
        grid = fresh
    return sum(map(sum, grid))


def place(board, row, size):
    if row == size:
        return 1
    found = 0
    for column in range(size):
        if all(column != other and abs(column - other) != row - number for number, other in enumerate(board)):
            board.append(column)
            found += place(board, row + 1, size)
            board.pop()
    return found


def edits(left, right):
    previous = list(range(len(right) + 1))
    for number, a in enumerate(left, 1):
        current = [number]
        for position, b in enumerate(right, 1):
            current.append(min(previous[position] + 1, current[-1] + 1, previous[position - 1] + (a != b)))
        previous = current
    return previous[-1]


def quick(values):
    if len(values) < 2:
        return values
    pivot, *rest = values
    return quick([v for v in rest if v < pivot]) + [pivot] + quick([v for v in rest if v >= pivot])


def slices(rng):
    values = [rng.randrange(1000) for _ in range(2000)]
    parts = [values[start : start + 50] for start in range(0, len(values), 50)]
    flat = [value for part in parts for value in reversed(part)]
    flat[10:20], flat[30:40] = flat[30:40], flat[10:20]
    first, second, *others, last = flat
    for number in range(len(flat) - 1):
        if flat[number] > flat[number + 1]:
            flat[number], flat[number + 1] = flat[number + 1], flat[number]
    ordered = []
    for value in flat[:300]:
        bisect.insort(ordered, value)
    pairs = dict(zip(flat, itertools.accumulate(flat)))
    counted = Counter(value % 17 for value in flat)
    cache = OrderedDict()
    for value in flat:
        cache[value % 40] = value
        cache.move_to_end(value % 40)
        if len(cache) > 30:
            cache.popitem(last=False)
    both = set(flat[:500]) & set(flat[500:]) | {first, second, last}
    return counted.most_common(3), len(pairs), len(both), any(v > 990 for v in others), tuple(map(str, ordered[:20]))


def main():
    rng = random.Random(11)
    for _ in range(120):
        inventory(rng)
        paths(rng)
        life(rng, 32, 10)
        place([], 0, 6)
        edits("the quick brown fox jumps over" * 2, "a lazy dog sat on the brown box" * 2)
        quick([rng.random() for _ in range(1500)])
        slices(rng)
        for row in itertools.permutations(range(6)):
            sum(row[::2])


if __name__ == "__main__":
    main()
