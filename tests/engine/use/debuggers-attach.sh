# Debuggers and crash reporters that attach to a running program from outside, and read its core dump.
apt-get update --quiet=2
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends gdb >log 2>&1 ||
    { grep --extended-regexp "rror|^E:" log; exit 1; }
pip install --quiet debugpy pystack
cat >app.py <<'P'
import time
def wait():
    while True:
        time.sleep(0.05)
wait()
P
python3 app.py &
app=$!
trap 'kill $app' EXIT
sleep 1
pystack remote $app | grep "app.py.*in wait"
gdb --batch -p $app -ex "gcore core" >/dev/null 2>&1
pystack core core "$(command -v python3)" | grep "app.py.*in wait"
# docs/use.md: if both have the same series, gdb finds the image's libpython first, but searches Debian's folders for modules,
# which have no file for math.
LD_LIBRARY_PATH="/usr/lib/$(uname -m)-linux-gnu" gdb --batch -p $app -ex "python import math, zlib; print(math.pi)" | grep "^3.14"
# gdb calls a function of debugpy's, which looks up the C API in libpython.
python3 -m debugpy --listen "127.0.0.1:$FREE_PORT" --pid $app >debugpy.log 2>&1 || { tail -5 debugpy.log; exit 1; }
timeout 60 python3 - <<'P'
import os, socket, time
for attempt in range(100):
    try:
        connection = socket.create_connection(("127.0.0.1", int(os.environ["FREE_PORT"])))
        break
    except OSError:
        time.sleep(0.2)
request = b'{"seq": 1, "type": "request", "command": "initialize", "arguments": {"adapterID": "test"}}'
connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(request), request))
answers = b""
while b'"command": "initialize"' not in answers:
    answers += connection.recv(4096)
P
kill -0 $app
