"""Web servers on the loopback interface: the time of a request, and the memory of processes (in bytes, not seconds)."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time

import pyperf

HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = {
    "gunicorn_flask": ["gunicorn", "--bind=127.0.0.1:{port}", "--workers=1", f"--chdir={HERE}", "flask_app:app"],
    "uvicorn_fastapi": ["uvicorn", "--port={port}", f"--app-dir={HERE}", "--no-access-log", "fastapi_app:app"],
}  # fmt: skip
IMPORTS = "import asyncio, json, urllib.request, ssl, sqlite3, unittest"
WAIT = "import sys; print(flush=True); sys.stdin.read()"
PORT = 8000  # not an ephemeral port: a client that waits for the server could connect to itself
WORKERS = 10


def get(port, path):
    """Request ``path`` and return the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(answer)
    return body


@contextlib.contextmanager
def serving(name, port=PORT):
    """Start the server ``name`` with one worker; yield the worker's process ID."""
    command = [word.format(port=port) for word in SERVERS[name]]
    server = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                yield int(get(port, "/pid"))
                return
            if server.poll() is not None:
                break
        sys.exit(f"{name} does not start: {server.stderr.read().decode().strip()}")
    finally:
        server.terminate()
        server.communicate(timeout=30)


def measure_requests(runner, name):
    """Measure the time of a request."""
    with serving(name) as pid:
        # A process's CPU time as a clock: clock_getcpuclockid(3).
        clock, cpu = (~pid << 3) | 2, time.perf_counter is time.process_time

        def seconds():
            return time.clock_gettime(clock) if cpu else time.perf_counter()

        def work(loops):
            began = seconds()
            for number in range(loops):
                get(PORT, f"/items/{number % 10}?format={'json' if number % 2 else 'html'}")
            return seconds() - began

        runner.bench_time_func(name, work)


def memory_of(pid):
    """Return the resident, the proportional and the private memory of a process, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        sizes = {name: int(size) * 1024 for name, size in re.findall(r"(\w+): +(\d+) kB", rollup.read())}
    return sizes["Rss"], sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def waiting(code):
    """Return the memory of Python after it has run ``code``."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; {WAIT}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        return memory_of(process.pid)


def workers(count):
    """Return the memory of ``count`` servers that have answered some requests each."""
    with contextlib.ExitStack() as stack:
        servers = {port: stack.enter_context(serving("uvicorn_fastapi", port)) for port in range(PORT, PORT + count)}
        for port in servers:
            for number in range(50):
                get(port, f"/items/{number % 10}")
        return [memory_of(pid) for pid in servers.values()]


def measure_memory(runner):
    """Measure the resident memory of processes, and the memory that ten workers need together."""
    results = {
        "pass, resident": lambda: waiting("pass")[0],
        "imports, resident": lambda: waiting(IMPORTS)[0],
        "FastAPI worker, resident": lambda: workers(1)[0][0],
        "one more FastAPI worker, private": lambda: workers(2)[1][2],
        f"{WORKERS} FastAPI workers together": lambda: sum(size for _, size, _ in workers(WORKERS)),
    }
    for name, function in results.items():
        runner.bench_time_func(name, lambda loops, function=function: loops * function())


def main():
    """Run the benchmark that the command line names."""
    runner = pyperf.Runner()
    runner.argparser.add_argument("what", choices=(*SERVERS, "memory"))
    what = runner.parse_args().what
    if what == "memory":
        measure_memory(runner)
    else:
        measure_requests(runner, what)


if __name__ == "__main__":
    main()
