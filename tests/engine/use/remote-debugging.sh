# Tools of 3.14 that read another process: the tasks of an event loop, a script and a debugger in a running process.
# They search the files that the process has mapped for sections: libpython for .PyRuntime, _asyncio for .AsyncioDebug
# (https://docs.python.org/3.14/howto/remote_debugging.html).
if python -c 'import sys; sys.exit(sys.version_info >= (3, 14))'; then exit 77; fi
cat >application.py <<'P'
import asyncio


async def wait_for_a_message():
    await asyncio.sleep(600)


async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(wait_for_a_message(), name="reader")
        print("ready", flush=True)


asyncio.run(main())
P
python application.py >log &
process=$!
trap 'kill $process' EXIT
until grep --quiet ready log; do sleep 0.1; done
python -m asyncio ps "$process" | grep --quiet 'reader.*wait_for_a_message'
python -m asyncio pstree "$process" | grep --quiet 'wait_for_a_message'

cat >worker.py <<'P'
import time


def work():
    while True:
        time.sleep(0.01)


work()
P
python worker.py >worker.log &
worker=$!
trap 'kill $process $worker' EXIT
sleep 1
echo 'open("/srv/worker.log", "a").write("inside")' >inside.py
python -c 'import sys; sys.remote_exec(int(sys.argv[1]), "/srv/inside.py")' "$worker"
timeout 20 sh -c 'until grep --quiet inside worker.log; do sleep 0.1; done'
# pdb attaches, shows the stack, and lets the program go on.
printf 'where\nquit\n' | timeout 60 python -m pdb -p "$worker" >pdb.log 2>&1 || true
grep --quiet 'worker.py.*work()' pdb.log
kill -0 "$worker"
