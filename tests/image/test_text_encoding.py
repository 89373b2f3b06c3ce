"""UTF-8 as the default for text, file names and streams.

Containers start without a locale. Without UTF-8 as the default, programs that print or open non-ASCII text fail in
the container although they work elsewhere.
"""

import json
import os
import sys
import unittest

import support

SETTINGS = [
    ("nothing set", {}),
    ("LANG=C", {"LANG": "C"}),
    ("LANG=POSIX", {"LANG": "POSIX"}),
    ("LC_ALL=C", {"LC_ALL": "C"}),
    ("LANG=C.UTF-8", {"LANG": "C.UTF-8"}),
    ("LC_ALL=C.UTF-8", {"LC_ALL": "C.UTF-8"}),
]

REPORT = """
import json, locale, sys
print(json.dumps([sys.getfilesystemencoding(), locale.getpreferredencoding(False), sys.stdin.encoding,
                  sys.stdout.encoding, sys.stderr.encoding, open(0, closefd=False).encoding]))
"""


def locale_environment(settings):
    """Return the image's environment with only these locale settings."""
    removed = {name: None for name in os.environ if name == "LANG" or name == "LANGUAGE" or name.startswith("LC_")}
    return support.environment(**dict(removed, **settings))


class TextEncodingTest(unittest.TestCase):
    def test_utf8_in_every_setting(self):
        """File system, preferred encoding and streams are UTF-8 with C, POSIX, C.UTF-8 or no locale."""
        for label, settings in SETTINGS:
            with self.subTest(setting=label):
                out = support.output_of_python(self, REPORT, env=locale_environment(settings))
                self.assertEqual({name.lower() for name in json.loads(out)}, {"utf-8"})

    def test_utf8_in_the_images_own_setting(self):
        """Encodings are UTF-8 in the image's own environment, too."""
        env = support.environment(**{k: v for k, v in support.IMAGE_ENV.items() if k.startswith(("LANG", "LC_"))})
        out = support.output_of_python(self, REPORT, env=env)
        self.assertEqual({name.lower() for name in json.loads(out)}, {"utf-8"})

    def test_c_utf8_locale_exists(self):
        """The C library has the C.UTF-8 locale without the locales package."""
        out = support.output_of_python(
            self,
            "import locale; print(locale.setlocale(locale.LC_ALL, 'C.UTF-8')); "
            "print(locale.nl_langinfo(locale.CODESET))",
        )
        self.assertEqual(out.split(), ["C.UTF-8", "UTF-8"])

    def test_file_names_round_trip(self):
        """Non-ASCII file names, and names that are not valid UTF-8, round-trip through the file system."""
        names = ["größe", "мир", "世界", "\N{SNAKE}", os.fsdecode(b"\xff\xfe-bytes")]
        with support.temporary_folder() as folder:
            for name in names:
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(name.encode("utf-8", "surrogateescape").hex())
            self.assertEqual(sorted(os.listdir(folder)), sorted(names))
            self.assertIn("世界".encode(), os.listdir(os.fsencode(folder)))

    def test_standard_streams_round_trip(self):
        """Non-ASCII text round-trips through a child's arguments, stdin and stdout."""
        text = "Größe мир 世界 \N{SNAKE}"
        for label, settings in SETTINGS:
            with self.subTest(setting=label):
                done = support.run(
                    sys.executable,
                    "-c",
                    "import sys; print(sys.argv[1] + '|' + sys.stdin.read())",
                    text,
                    input=text,
                    stdin=None,
                    env=locale_environment(settings),
                )
                self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
                self.assertEqual(done.stdout, text + "|" + text + "\n")

    def test_legacy_codecs(self):
        """Legacy encodings work, including those in extension modules."""
        for encoding, text in (
            ("gb18030", "世界"),
            ("big5", "世界"),
            ("shift_jis", "世界"),
            ("euc_kr", "한국"),
            ("iso2022_jp", "世界"),
            ("cp1252", "Größe"),
            ("koi8-r", "мир"),
            ("cp437", "ß"),
        ):
            with self.subTest(encoding=encoding):
                self.assertEqual(text.encode(encoding).decode(encoding), text)
        self.assertEqual("bücher.example".encode("idna"), b"xn--bcher-kva.example")


if __name__ == "__main__":
    unittest.main()
