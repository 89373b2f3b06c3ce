# Package and environment managers find the image's interpreter, and their environments work.
pip install --quiet uv virtualenv pipx
export UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
[ -z "${PIP_INDEX_URL-}" ] || export UV_DEFAULT_INDEX=$PIP_INDEX_URL
[ -z "${PIP_CERT-}" ] || export SSL_CERT_FILE=$PIP_CERT
version=$(python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
[ "$(uv python find --system)" -ef /usr/local/bin/python3 ]
uv venv --quiet --python="${version%.*}" uv
uv pip install --quiet --python=uv/bin/python six
uv/bin/python -c 'import math, six'
mkdir project
cd project
cat >pyproject.toml <<T
[project]
name = "application"
version = "1"
requires-python = "==$version"
dependencies = ["six"]
T
uv sync --quiet
.venv/bin/python -c 'import six'
uv run --quiet python -c 'import six'
cd ..
virtualenv --quiet virtual
virtual/bin/pip install --quiet six
virtual/bin/python -c 'import six, sys; assert sys.prefix != sys.base_prefix'
pipx install --quiet pycowsay >/dev/null
~/.local/bin/pycowsay moo | grep --quiet moo
python -m venv plain
plain/bin/python -m pip install --quiet six
plain/bin/python -m pip check
