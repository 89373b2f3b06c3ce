# WSGI and ASGI servers: forking, with threads, and one in C that embeds the interpreter.
APPEND_CFLAGS=-O0 pip install --quiet gunicorn uvicorn uwsgi # uWSGI is compiled; its speed is not what is tested
cat >app.py <<'P'
import resource, ssl
def application(environ, respond):
    respond("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from wsgi"]
async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello from asgi"})
P
get() {
    python - <<'P'
import os, time, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for attempt in range(100):
    try:
        print(opener.open(f"http://127.0.0.1:{os.environ['FREE_PORT']}/", timeout=5).read().decode())
        break
    except OSError:
        time.sleep(0.1)
P
}
serve() {
    expected=$1
    shift
    "$@" >log 2>&1 &
    server=$!
    [ "$(get)" = "$expected" ] || { cat log; exit 1; }
    kill -INT $server
    wait $server || true
}
serve "hello from wsgi" gunicorn --workers=2 --threads=2 --bind="127.0.0.1:$FREE_PORT" --worker-tmp-dir=/dev/shm app:application
serve "hello from asgi" uvicorn --lifespan=off --host=127.0.0.1 --port="$FREE_PORT" app:asgi
serve "hello from wsgi" uwsgi --http-socket="127.0.0.1:$FREE_PORT" --module=app --master --processes=2 --enable-threads
