# PyInstaller puts a part of the standard library into a zip and starts the interpreter with that on its path.
pip install --quiet pyinstaller
cat >app.py <<'P'
import asyncio, encodings, json, multiprocessing, sqlite3, ssl, sys

def square(number):
    return number * number

if __name__ == "__main__":
    multiprocessing.freeze_support()
    assert "bücher".encode("idna") == b"xn--bcher-kva"
    assert b"\xe9".decode("cp1252") == "é"
    assert encodings.__path__ and sys.frozen
    ssl.create_default_context()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(square, [3]) == [9]
    print("bundled", sqlite3.connect(":memory:").execute("select 42").fetchone()[0], sys.argv[1])
P
# A folder and a single file, from one analysis of the imports, which takes longer than the rest.
cat >app.spec <<'P'
found = Analysis(["app.py"])
modules = PYZ(found.pure)
EXE(modules, found.scripts, found.binaries, found.datas, name="file")
COLLECT(EXE(modules, found.scripts, name="app", exclude_binaries=True), found.binaries, found.datas, name="folder")
P
pyinstaller --log-level=ERROR app.spec
for program in dist/folder/app dist/file; do
    [ "$(env --ignore-environment "$PWD/$program" here)" = "bundled 42 here" ]
done
