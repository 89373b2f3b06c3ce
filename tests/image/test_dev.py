"""The dev variant: compilers, headers and uv in addition to the default image, and no other interpreter."""

import glob
import os
import shutil
import sysconfig
import unittest

import support

HEADERS = [
    "bzlib.h",
    "curl/curl.h",
    "ffi.h",
    "ft2build.h",
    "geos_c.h",
    "gmp.h",
    "jpeglib.h",
    "krb5.h",
    "lber.h",
    "lcms2.h",
    "librdkafka/rdkafka.h",
    "libxml/parser.h",
    "libxslt/xslt.h",
    "lzma.h",
    "mysql.h",
    "openjpeg.h",
    "openssl/ssl.h",
    "png.h",
    "libpq-fe.h",
    "sasl/sasl.h",
    "sqlite3.h",
    "sql.h",
    "tiffio.h",
    "webp/decode.h",
    "yaml.h",
    "zmq.h",
    "zlib.h",
]
PKG_CONFIG = ["freetype2", "libffi", "libopenjp2", "libpq", "libxml-2.0", "libxslt", "libmariadb"]
PROGRAMS = [
    "curl",
    "gcc",
    "g++",
    "git",
    "make",
    "patch",
    "pkg-config",
    "python3-config",
    "ssh",
    "unzip",
    "uv",
    "uvx",
    "xz",
    "zip",
]


@unittest.skipUnless(support.DEV, "not the dev variant")
class DevTest(unittest.TestCase):
    def setUp(self):
        self.folder = support.home()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_programs_that_build_systems_call_are_installed(self):
        self.assertEqual([name for name in PROGRAMS if not shutil.which(name)], [])

    def test_headers_of_the_libraries_that_sdists_ask_for_compile(self):
        options = support.run("pkg-config", "--cflags", *PKG_CONFIG)
        self.assertEqual(options.returncode, 0, options.stderr)
        lines = ["#include <stdio.h>", *(f"#include <{name}>" for name in HEADERS), "int main(void) { return 0; }", ""]
        done = support.run("gcc", *options.stdout.split(), "-o", "headers", self.write("h.c", "\n".join(lines)),
                           cwd=self.folder)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_extension_in_c_plus_plus_is_built_and_imported(self):
        source = self.write(
            "devtest.cpp",
            """
            #include <Python.h>
            #include <string>
            static PyModuleDef module = {PyModuleDef_HEAD_INIT, "devtest", nullptr, -1, nullptr};
            PyMODINIT_FUNC PyInit_devtest() {
                PyObject *object = PyModule_Create(&module);
                PyModule_AddStringConstant(object, "text", std::string("built").c_str());
                return object;
            }
        """,
        )
        done = support.run("g++", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", "-o", "devtest.so", source,
                           cwd=self.folder)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        done = support.run_python("-c", "import devtest; print(devtest.text)", cwd=self.folder)
        self.assertEqual(done.stdout, "built\n", done.stderr)

    def test_the_distributions_packages_include_no_other_interpreter(self):
        self.assertEqual(glob.glob("/usr/bin/python*") + glob.glob("/usr/lib/python*"), [])

    def test_uv_creates_environments_with_this_interpreter_and_downloads_no_other(self):
        venv = os.path.join(self.folder, "venv")
        done = support.run("uv", "venv", "--offline", venv)
        self.assertEqual(done.returncode, 0, done.stderr)
        python = os.path.realpath(os.path.join(venv, "bin", "python"))
        self.assertTrue(python.startswith(support.PREFIX), python)
        done = support.run("uv", "venv", "--python=3.8", os.path.join(self.folder, "other"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("downloads", done.stderr)

    def test_uv_is_not_a_package_of_the_interpreter(self):
        done = support.run("pip", "list", "--format=freeze")
        self.assertNotIn("uv==", done.stdout)
        self.assertIn("pip==", done.stdout)


if __name__ == "__main__":
    unittest.main()
