"""Measure how much the time of identical work varies: print the spread of wall time and of CPU time.

The work is done 25 times, 40 ms each on a machine of 2025. The spread is (90th percentile - fastest) / fastest.
"""

import time


def spread(values):
    """Return how much longer the slow ``values`` are than the fastest, as a share of the fastest."""
    values = sorted(values)
    return (values[len(values) * 9 // 10] - values[0]) / values[0]


def work():
    """Spend some time without memory or system calls."""
    total = 0
    for number in range(400000):
        total += number & 7
    return total


times = []
for _ in range(25):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    times.append((time.perf_counter() - wall, time.process_time() - cpu))
for column in zip(*times):
    print(round(spread(column), 4))
