"""Do the same work in two threads at a time: objects, text, JSON, expressions, sorting, and a queue between them.

Except for the queue, the threads share nothing but code, so with a free-threaded build and two processors the work
takes as long as in one thread. With the global interpreter lock it takes twice as long.
"""

import json
import queue
import re
import threading

import pyperf

TEXT = " ".join(f"word{at % 97} {at * 7919 % 1009}.{at % 10} mail{at}@example.org" for at in range(900))
DOCUMENT = json.dumps([{"id": at, "name": f"name {at}", "tags": ["a", "b"], "score": 1.5} for at in range(400)])


class Body:
    """A body in a plane: attributes and methods, as in many programs."""

    def __init__(self, x, y):
        self.x, self.y, self.dx, self.dy = x, y, 0.0, 0.0

    def attract(self, other):
        """Change the velocities of both bodies."""
        x, y = self.x - other.x, self.y - other.y
        force = 0.01 / (x * x + y * y + 1.0)
        self.dx -= x * force
        self.dy -= y * force
        other.dx += x * force
        other.dy += y * force

    def move(self):
        """Move by the velocity."""
        self.x += self.dx
        self.y += self.dy


def objects():
    """Let sixteen bodies attract each other."""
    bodies = [Body(float(number), number * number / 10) for number in range(16)]
    for _ in range(400):
        for number, body in enumerate(bodies):
            for other in bodies[number + 1 :]:
                body.attract(other)
        for body in bodies:
            body.move()


def text():
    """Count words and format a page of the counts."""
    for _ in range(40):
        counts = {}
        for word in TEXT.split():
            counts[word] = counts.get(word, 0) + 1
        "\n".join(f"{word:<20}{count:>6}" for word, count in counts.items())


def documents():
    """Read and write JSON."""
    for _ in range(40):
        json.dumps(json.loads(DOCUMENT))


def expressions():
    """Search with regular expressions."""
    for _ in range(15):
        re.findall(r"(\w+)@example\.org", TEXT)
        re.sub(r"\d+\.\d", lambda match: f"<{match[0]}>", TEXT)


def sorting():
    """Sort rows by a key."""
    rows = [(number * 7919 % 10007, str(number)) for number in range(10000)]
    for _ in range(5):
        sorted(sorted(rows), key=lambda row: row[1])


def in_two_threads(*works):
    """Run two functions at the same time and wait for both."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hand_over():
    """Pass items from one thread to another."""
    items = queue.Queue(100)

    def put():
        for number in range(10000):
            items.put({"number": number})

    def get():
        for _ in range(10000):
            items.get()["number"] += 1

    in_two_threads(put, get)


def main():
    """Measure each kind of work."""
    runner = pyperf.Runner()
    for work in (objects, text, documents, expressions, sorting):
        runner.bench_func(f"threads_{work.__name__}", in_two_threads, work, work)
    runner.bench_func("threads_queue", hand_over)


if __name__ == "__main__":
    main()
