"""Write requirements.txt next to each pyproject.toml: the newest releases with wheels for Linux, and their hashes.

    python benchmarks/applications/pin.py        # needs Python 3.11 and uv

For packages in PURE, which also have wheels compiled by mypyc, only the pure-Python wheel is pinned, so that the
interpreter runs the code.
"""

import pathlib
import re
import subprocess

import tomllib

PURE = ("black", "mypy")
WHEEL = re.compile(r"-py(2\.py)?3-none-any\.whl$|-(cp3\d+t?|abi3)-manylinux\S*_(x86_64|aarch64)(\.\S*)?\.whl$")
COMPILE = ("uv", "pip", "compile", "--universal", "--python-version=3.9", "--no-python-downloads", "--upgrade",
           "--only-binary=:all:", "--format=pylock.toml", "--no-header", "pyproject.toml")  # fmt: skip

for project in sorted(pathlib.Path(__file__).parent.glob("*/pyproject.toml")):
    done = subprocess.run(COMPILE, cwd=project.parent, check=True, capture_output=True, text=True)
    text = ""
    for package in tomllib.loads(done.stdout)["packages"]:
        wheels = {wheel["url"].rpartition("/")[2]: wheel["hashes"]["sha256"] for wheel in package["wheels"]}
        kept = {name: digest for name, digest in wheels.items() if WHEEL.search(name)}
        if package["name"] in PURE:
            kept = {name: digest for name, digest in kept.items() if name.endswith("-none-any.whl")}
        if "sys_platform == 'win32'" in package.get("marker", ""):
            continue
        assert kept, f"{package['name']} {package['version']}: no wheel for Linux"
        marker = f" ; {package['marker']}" if "marker" in package else ""
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(kept.values()))
        text += f"{package['name']}=={package['version']}{marker}{hashes}\n"
    project.with_name("requirements.txt").write_text(text)
