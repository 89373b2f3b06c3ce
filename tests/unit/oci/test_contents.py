"""What a container would see of an image's layers."""

from __future__ import annotations

import io
import re
import time

from bakery.oci.contents import Overlay, contents_of
from bakery.platforms import AMD64
from bakery.tar import open_compressed_tar
from tests.archives import Archive, make_tar


def test_a_path_that_becomes_a_file_or_a_whiteout_hides_what_was_below_it() -> None:
    names = ["a/b/c", "a/b-c", "a/bc", "a/b.d/x", "d/e", "d/f/g", "h/i", "k"]
    archive = Archive()
    archive.image([
        make_tar(dict.fromkeys(names, b"")),
        make_tar({"a/b": "link", "d/.wh..wh..opq": b"", "d/f/.wh..wh..opq": b"", "d/new": b"", ".wh.h": b""}),
    ])  # fmt: skip
    contents = contents_of(io.BytesIO(archive.save()), AMD64, re.compile(".*"))
    assert sorted(contents.files) == ["a/b-c", "a/b.d/x", "a/bc", "d/new", "k"]
    assert contents.links == {"a/b": "link"}


def test_a_layer_of_many_files_over_many_links_is_read_in_seconds() -> None:
    overlay = Overlay(re.compile("x"))
    overlay.links = {f"l/{number}": "t" for number in range(300_000)}
    layer, start = make_tar({f"f/{number}": b"" for number in range(20_000)}), time.process_time()
    with open_compressed_tar(io.BytesIO(layer)) as tar:
        overlay.add(tar)
    assert len(overlay.links) == 300_000
    assert time.process_time() - start < 12, "comparing each link with each file takes 25 s, reading the layer 2 s"
