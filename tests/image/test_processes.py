"""Child processes, pipes, signals, threads and asyncio.

Servers and job runners need them, and a container has its own process tree and network.
"""

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import unittest

import support


class ProcessesTest(unittest.TestCase):
    def test_pipeline(self):
        """More data than a pipe's buffer passes through two child processes connected by a pipe."""
        upper = "import sys; sys.stdout.write(sys.stdin.read().upper())"
        first = subprocess.Popen(
            [sys.executable, "-c", "print('x' * 300000)"], stdout=subprocess.PIPE, env=support.environment()
        )
        second = subprocess.Popen(
            [sys.executable, "-c", upper], stdin=first.stdout, stdout=subprocess.PIPE, env=support.environment()
        )
        first.stdout.close()
        out, _ = second.communicate(timeout=30)
        first.wait(30)
        self.assertEqual(out, b"X" * 300000 + b"\n")

    @support.needs("shell")
    def test_shell_and_exit_status(self):
        """Shell commands work, and exit status and stderr are reported."""
        done = support.run("/bin/sh", "-c", "echo to stderr >&2; exit 7")
        self.assertEqual((done.returncode, done.stderr), (7, "to stderr\n"))
        self.assertEqual(subprocess.check_output("echo $((6*7))", shell=True), b"42\n")

    def test_sigterm_ends_a_child(self):
        """SIGTERM, which `docker stop` sends, ends a sleeping interpreter, and the signal is reported."""
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"],
            stdout=subprocess.PIPE,
            env=support.environment(),
        )
        with child:
            self.assertEqual(child.stdout.readline(), b"up\n")
            child.terminate()
            self.assertEqual(child.wait(20), -signal.SIGTERM)

    def test_signal_handlers_run(self):
        """Handlers, alarms and KeyboardInterrupt on SIGINT work."""
        seen = []
        before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
            deadline = time.monotonic() + 10
            while not seen and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            signal.signal(signal.SIGUSR1, before)
        self.assertEqual(seen, [signal.SIGUSR1])
        out = support.output_of_python(
            self,
            "import os, signal, time\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "try:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(10)\n"
            "except KeyboardInterrupt: print('interrupted')\n"
            "signal.signal(signal.SIGALRM, lambda *_: print('alarm'))\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()",
        )
        self.assertEqual(out.split(), ["interrupted", "alarm"])

    def test_timeouts_kill_children(self):
        """subprocess.run kills a child process after its timeout."""
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run([sys.executable, "-c", "import time; time.sleep(30)"], timeout=0.2)

    def test_threads_share_work(self):
        """Threads share queues and barriers, and each has its own thread-local data."""
        work, done, local = queue.Queue(), queue.Queue(), threading.local()
        barrier = threading.Barrier(4)

        def worker(number):
            local.number = number
            barrier.wait(20)
            for item in iter(work.get, None):
                done.put((local.number, item * item))

        threads = [threading.Thread(target=worker, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for item in list(range(200)) + [None] * 4:
            work.put(item)
        for thread in threads:
            thread.join(20)
        results = [done.get_nowait() for _ in range(200)]
        self.assertEqual(sorted(value for _, value in results), [n * n for n in range(200)])

    def test_asyncio_echo_over_tcp(self):
        """An asyncio server and twenty clients communicate over the loopback interface."""

        async def echo(reader, writer):
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        async def ask(port, number):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello %d\n" % number)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

        async def main():
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            answers = await asyncio.wait_for(asyncio.gather(*(ask(port, n) for n in range(20))), 30)
            server.close()
            await server.wait_closed()
            return answers

        self.assertEqual(asyncio.run(main()), [b"HELLO %d\n" % n for n in range(20)])

    def test_asyncio_subprocess(self):
        """asyncio starts a child process, writes to it, reads from it and gets its exit status."""

        async def main():
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "import sys; print(sys.stdin.read()[::-1]); sys.exit(3)",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=support.environment(),
            )
            out, _ = await asyncio.wait_for(child.communicate(b"abc"), 30)
            return out, child.returncode

        self.assertEqual(asyncio.run(main()), (b"cba\n", 3))

    def test_localhost_resolves(self):
        """localhost can be resolved without a network."""
        import socket

        addresses = {info[4][0] for info in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)}
        self.assertTrue(addresses & {"127.0.0.1", "::1"}, addresses)


if __name__ == "__main__":
    unittest.main()
