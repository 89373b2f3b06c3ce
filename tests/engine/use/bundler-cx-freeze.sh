# cx_Freeze writes a program with the standard library in lib/library.zip.
pip install --quiet cx_Freeze
cat >app.py <<'P'
import json, ssl, sys
assert "bücher".encode("idna") == b"xn--bcher-kva"
assert b"\xe9".decode("cp1252") == "é"
print("frozen", sys.frozen)
P
cxfreeze build --script=app.py --build-exe=out --silent >/dev/null
[ "$(env --ignore-environment out/app)" = "frozen True" ]
