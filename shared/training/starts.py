"""Startup: short-lived interpreters that import common modules and exit."""

import subprocess
import sys

SETS = [
    "pass",
    "import argparse, json, logging, pathlib, re",
    "import asyncio, json, ssl, sqlite3, urllib.request, unittest",
    "import collections, dataclasses, enum, functools, itertools, typing",
    "import csv, datetime, decimal, email.message, http.server, tempfile",
    "import concurrent.futures, multiprocessing, queue, socketserver, threading",
    "import ast, dis, inspect, tokenize, traceback, xml.etree.ElementTree, zipfile",
]


def main():
    for _ in range(8):
        for imports in SETS:
            subprocess.run([sys.executable, "-c", imports], check=True)


if __name__ == "__main__":
    main()
