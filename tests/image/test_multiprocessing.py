"""Processes started by multiprocessing, and shared objects.

Pool, Queue and Lock need working semaphores (sem_open, /dev/shm). Without them packages such as joblib fall back to one
process or fail.
"""

import os
import unittest

import support

PROGRAM = """
import multiprocessing as mp
import sys
from multiprocessing import shared_memory

def square(n):
    return n * n

def serve(requests, answers):
    for request in iter(requests.get, None):
        answers.put(request.upper())

def count(counter, lock, semaphore):
    for _ in range(100):
        with semaphore, lock:
            counter.value += 1

def fill(name):
    block = shared_memory.SharedMemory(name=name)
    block.buf[:5] = b"child"
    block.close()

def main(method):
    context = mp.get_context(method)

    with context.Pool(2) as pool:
        assert pool.map(square, range(20)) == [n * n for n in range(20)]
        assert pool.apply_async(square, (9,)).get(30) == 81

    requests, answers = context.Queue(), context.Queue()
    server = context.Process(target=serve, args=(requests, answers))
    server.start()
    requests.put("gr\\u00f6\\u00dfe")
    assert answers.get(timeout=30) == "GR\\u00d6SSE"
    requests.put(None)
    server.join(30)
    assert server.exitcode == 0

    counter, lock, semaphore = context.Value("i", 0, lock=False), context.Lock(), context.BoundedSemaphore(2)
    workers = [context.Process(target=count, args=(counter, lock, semaphore)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert counter.value == 200, counter.value

    block = shared_memory.SharedMemory(create=True, size=100)
    try:
        child = context.Process(target=fill, args=(block.name,))
        child.start()
        child.join(30)
        assert bytes(block.buf[:5]) == b"child"
    finally:
        block.close()
        block.unlink()

    print("done")

if __name__ == "__main__":
    main(sys.argv[1])
"""

FUTURES = """
import concurrent.futures as futures
import sys

def square(n):
    return n * n

if __name__ == "__main__":
    for kind in (futures.ThreadPoolExecutor, futures.ProcessPoolExecutor):
        with kind(2) as pool:
            assert list(pool.map(square, range(10))) == [n * n for n in range(10)]
            assert pool.submit(square, 12).result(30) == 144
            error = pool.submit(divmod, 1, 0).exception(30)
            assert isinstance(error, ZeroDivisionError), error
    if sys.version_info >= (3, 14):
        with futures.InterpreterPoolExecutor(2) as pool:
            assert pool.submit(sum, [1, 2, 3]).result(30) == 6
    print("done")
"""


class MultiprocessingTest(unittest.TestCase):
    def run_program(self, source, *arguments):
        with support.temporary_folder() as folder:
            path = os.path.join(folder, "program.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(source)
            done = support.run_python(path, *arguments, cwd=folder)
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        self.assertEqual(done.stdout.strip(), "done")
        self.assertEqual(done.stderr.strip(), "")

    def test_fork(self):
        """Pool, Queue, Lock, BoundedSemaphore and shared memory work with forked processes."""
        self.run_program(PROGRAM, "fork")

    def test_spawn(self):
        """The same works with spawned processes."""
        self.run_program(PROGRAM, "spawn")

    def test_forkserver(self):
        """The same works with a fork server."""
        self.run_program(PROGRAM, "forkserver")

    def test_concurrent_futures(self):
        """Thread, process and (from 3.14) interpreter pools return results and errors."""
        self.run_program(FUTURES)


if __name__ == "__main__":
    unittest.main()
