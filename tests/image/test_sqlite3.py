"""SQLite.

Django's default database, notebooks and coverage need it; vector and spatial databases (sqlite-vec, SpatiaLite) also
need loadable extensions.
"""

import os
import sqlite3
import sys
import threading
import unittest

import support


class SqliteTest(unittest.TestCase):
    def setUp(self):
        self.db = sqlite3.connect(":memory:")
        self.addCleanup(self.db.close)

    def one(self, query, *values):
        return self.db.execute(query, values).fetchone()[0]

    def test_file_round_trip(self):
        """Another connection reads the rows written to a file."""
        with support.temporary_folder() as folder:
            path = os.path.join(folder, "größe.db")
            db = sqlite3.connect(path)
            with db:
                db.execute("CREATE TABLE t (a, b)")
                db.executemany("INSERT INTO t VALUES (?, ?)", [(1, "ä"), (2.5, b"\0\xff"), (None, "世界")])
            db.close()
            db = sqlite3.connect(path)
            rows = db.execute("SELECT a, b FROM t ORDER BY rowid").fetchall()
            db.close()
        self.assertEqual(rows, [(1, "ä"), (2.5, b"\0\xff"), (None, "世界")])

    def test_fts5(self):
        """SQLite supports full-text search (FTS5)."""
        self.db.execute("CREATE VIRTUAL TABLE t USING fts5(text)")
        self.db.executemany("INSERT INTO t VALUES (?)", [("the quick fox",), ("a slow dog",)])
        self.assertEqual(self.one("SELECT text FROM t WHERE t MATCH 'quick'"), "the quick fox")

    def test_json(self):
        """SQLite has JSON functions."""
        self.assertEqual(self.one("SELECT json_extract(?, '$.a[1]')", '{"a": [1, 2]}'), 2)

    def test_rtree(self):
        """SQLite supports R-tree indexes."""
        self.db.execute("CREATE VIRTUAL TABLE t USING rtree(id, x0, x1)")
        self.db.execute("INSERT INTO t VALUES (7, 1, 2)")
        self.assertEqual(self.one("SELECT id FROM t WHERE x0 <= 1.5 AND x1 >= 1.5"), 7)

    def test_threadsafe(self):
        """SQLite is compiled in serialized mode, and a connection can be shared between threads."""
        options = {row[0] for row in self.db.execute("PRAGMA compile_options")}
        self.assertIn("THREADSAFE=1", options)
        if sys.version_info >= (3, 11):
            self.assertEqual(sqlite3.threadsafety, 3)
        with support.temporary_folder() as folder:
            db = sqlite3.connect(os.path.join(folder, "t.db"), check_same_thread=False)
            db.execute("CREATE TABLE t (a)")
            lock = threading.Lock()

            def insert():
                for i in range(50):
                    with lock:
                        db.execute("INSERT INTO t VALUES (?)", (i,))

            threads = [threading.Thread(target=insert) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(db.execute("SELECT count(*) FROM t").fetchone()[0], 200)
            db.close()

    def test_extensions_can_be_loaded(self):
        """enable_load_extension exists, and SQLite itself reports a missing extension file."""
        self.db.enable_load_extension(True)
        with self.assertRaises(sqlite3.OperationalError):
            self.db.load_extension("/nonexistent/extension")
        self.db.enable_load_extension(False)
        with self.assertRaisesRegex(sqlite3.OperationalError, "not authorized"):
            self.db.load_extension("/nonexistent/extension")

    def test_backup_and_functions(self):
        """Backups and functions written in Python work."""
        self.db.create_function("twice", 1, lambda x: 2 * x)
        self.assertEqual(self.one("SELECT twice(21)"), 42)
        self.db.execute("CREATE TABLE t AS SELECT 42 AS a")
        copy = sqlite3.connect(":memory:")
        self.db.backup(copy)
        self.assertEqual(copy.execute("SELECT a FROM t").fetchone()[0], 42)
        copy.close()


if __name__ == "__main__":
    unittest.main()
