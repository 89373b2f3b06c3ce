# Packages with compiled code: wheels that others built for this series, and an sdist that is compiled here.
pip install --quiet --only-binary=:all: numpy pydantic-core cryptography lxml
python - <<'P'
import sysconfig

import numpy

assert (numpy.arange(6).reshape(2, 3) @ numpy.ones((3, 1))).tolist() == [[3.0], [12.0]]

from pydantic_core import SchemaValidator, core_schema

assert SchemaValidator(core_schema.list_schema(core_schema.int_schema())).validate_python(["1", 2]) == [1, 2]

from cryptography.fernet import Fernet

key = Fernet(Fernet.generate_key())
assert key.decrypt(key.encrypt(b"secret")) == b"secret"

from lxml import etree

assert etree.fromstring("<a><b>1</b></a>").findtext("b") == "1"
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    import sys

    print("the GIL is", "on" if sys._is_gil_enabled() else "off")
P
pip install --quiet --upgrade pip setuptools wheel # those of 3.9 and 3.11 are too old for this sdist
pip install --quiet --no-deps --no-build-isolation --no-binary=markupsafe markupsafe
python -c 'from markupsafe import _speedups, escape; assert str(escape("<>")) == "&lt;&gt;"'
