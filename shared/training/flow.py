"""Control flow: all kinds of calls, closures, decorators, exceptions, context managers, generators, coroutines."""

import asyncio
import contextlib
import functools
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor


def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return function(*args, **kwargs)

    wrapper.calls = 0
    return wrapper


@traced
def area(width, height=1, *, unit="m", scale=1.0):
    return width * height * scale if unit == "m" else width * height


@functools.lru_cache(maxsize=None)
def ways(amount, coins):
    if amount == 0:
        return 1
    if amount < 0 or not coins:
        return 0
    return ways(amount - coins[0], coins) + ways(amount, coins[1:])


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def counter(start):
    value = start

    def step(by=1):
        nonlocal value
        value += by
        return value

    return step


@contextlib.contextmanager
def scope(log, name):
    log.append(name)
    try:
        yield log
    finally:
        log.append(f"end {name}")


class Guard:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return kind is KeyError


def calls(rounds):
    step, log = counter(0), []
    double = functools.partial(area, 2, scale=2.0)
    for number in range(rounds):
        area(number, 2)
        area(number, height=3, unit="cm")
        area(*(number, 2), scale=1.5)
        double(number)
        step()
        step(by=2)
        with scope(log, "a"), Guard():
            if number % 5 == 0:
                raise KeyError(number)
        try:
            if number % 3 == 0:
                raise ValueError("third", number)
            int("x" if number % 4 == 0 else "4")
        except (TypeError, ValueError) as error:
            log.append(error.args)
        else:
            log.pop()
        finally:
            del log[:-20]
    return functools.reduce(lambda a, b: a ^ b, range(rounds), 0), list(map(lambda n: n + 1, filter(None, range(300))))


def numbers(limit):
    number = 0
    while number < limit:
        sent = yield number
        number += sent or 1


def flatten(tree):
    for leaf in tree:
        if isinstance(leaf, (list, tuple)):
            yield from flatten(leaf)
        else:
            yield leaf


def chunks(values, size):
    values = iter(values)
    while True:
        part = tuple(itertools.islice(values, size))
        if not part:
            return
        yield part


def generators(rounds):
    total = 0
    for number in range(rounds):
        total += sum(n * n for n in numbers(60) if n % 2)
        total += sum(flatten([[1, [2, 3]], 4, [[5, (6, 7)], [8]], [number]]))
        total += sum(len(part) for part in chunks(numbers(50), 7))
        stream = numbers(20)
        next(stream)
        with contextlib.suppress(StopIteration):
            while True:
                total += stream.send(3)
        stream.close()
        total += sum(a * b for a, b in zip(numbers(20), itertools.count(1)))
    return total


class Ticker:
    def __init__(self, count):
        self.count = count

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.count == 0:
            raise StopAsyncIteration
        self.count -= 1
        return self.count

    async def __aenter__(self):
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *error):
        return False


async def ticks(count):
    for number in range(count):
        yield number
        if number % 10 == 0:
            await asyncio.sleep(0)


async def add(a, b):
    return a + b


async def worker(queue, results):
    while True:
        job = await queue.get()
        if job is None:
            return
        results.append(await add(job, 1))
        queue.task_done()


async def branch(depth):
    if depth == 0:
        await asyncio.sleep(0)
        return 1
    return sum(await asyncio.gather(branch(depth - 1), branch(depth - 1), branch(depth - 1)))


async def service(rounds):
    total = 0
    for _ in range(rounds):
        queue, results = asyncio.Queue(maxsize=10), []
        workers = [asyncio.ensure_future(worker(queue, results)) for _ in range(4)]
        for job in range(150):
            await queue.put(job)
        for _ in workers:
            await queue.put(None)
        await asyncio.gather(*workers)
        async for number in ticks(200):
            total += number
        async with Ticker(100) as ticker:
            total += sum([await add(number, 1) async for number in ticker])
        lock, event = asyncio.Lock(), asyncio.Event()
        async with lock:
            event.set()
        await event.wait()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 0.001)
        total += await branch(5)
    return total


async def echo(rounds):
    async def handle(reader, writer):
        while True:
            line = await reader.readline()
            if not line:
                break
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    for number in range(rounds):
        writer.write(b"line %d\n" % number)
        await reader.readline()
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def threads(rounds):
    total, lock = [0], threading.Lock()

    def work(count):
        for _ in range(count):
            with lock:
                total[0] += 1
        return [n for n in range(count) if n % 3]

    with ThreadPoolExecutor(max_workers=3) as pool:
        return len(list(pool.map(work, [150] * rounds))), total


def main():
    for _ in range(60):
        calls(1500)
        generators(150)
        fib(17)
        ackermann(2, 9)
        ways.cache_clear()
        ways(120, (50, 20, 10, 5, 2, 1))
        threads(20)
    asyncio.run(service(40))
    # A build step may have no network, not even a loopback interface.
    with contextlib.suppress(OSError):
        asyncio.run(echo(300))


if __name__ == "__main__":
    main()
