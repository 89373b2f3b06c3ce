"""Time zones from the system's database.

Without Debian's tzdata package, zoneinfo.ZoneInfo("Europe/Berlin") fails unless the PyPI package of that name is
installed. Containers whose clocks are not in UTC write logs that are hard to compare.
"""

import datetime
import importlib.util
import os
import unittest
import zoneinfo

import support

UTC = datetime.timezone.utc


class TimeZonesTest(unittest.TestCase):
    def test_zones_come_from_the_system(self):
        """Time zones are found without the PyPI package tzdata."""
        self.assertIsNone(importlib.util.find_spec("tzdata"))
        self.assertTrue([path for path in zoneinfo.TZPATH if os.path.isdir(path)], zoneinfo.TZPATH)

    def test_summer_time_begins_and_ends(self):
        """Europe/Berlin's offset changes at 01:00 UTC on the last Sundays of March and October."""
        berlin = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")
        for utc, local in (
            ((2024, 3, 31, 0, 59), "2024-03-31T01:59:00+01:00"),
            ((2024, 3, 31, 1, 0), "2024-03-31T03:00:00+02:00"),
            ((2024, 10, 27, 0, 59), "2024-10-27T02:59:00+02:00"),
            ((2024, 10, 27, 1, 0), "2024-10-27T02:00:00+01:00"),
        ):
            with self.subTest(utc=utc):
                self.assertEqual(datetime.datetime(*utc, tzinfo=UTC).astimezone(berlin).isoformat(), local)
        self.assertEqual(datetime.datetime(2024, 7, 1, tzinfo=berlin).tzname(), "CEST")

    def test_all_common_zones_load(self):
        """At least 300 time zones are available, and common ones on every continent can be loaded."""
        available = zoneinfo.available_timezones()
        self.assertGreater(len(available), 300)
        for name in (
            "UTC",
            "America/New_York",
            "America/Sao_Paulo",
            "Asia/Kolkata",
            "Asia/Tokyo",
            "Africa/Cairo",
            "Australia/Sydney",
            "Pacific/Auckland",
            "Europe/London",
        ):
            with self.subTest(zone=name):
                self.assertIn(name, available)
                zoneinfo.ZoneInfo.no_cache(name)

    def test_local_time_is_utc(self):
        """A container's local time is UTC."""
        out = support.output_of_python(
            self,
            "import time, datetime\n"
            "print(time.timezone, time.altzone, time.tzname[0], "
            "datetime.datetime(2024, 7, 1).astimezone().utcoffset())",
            env=support.environment(TZ=None),
        )
        self.assertEqual(out.split(), ["0", "0", "UTC", "0:00:00"])

    def test_tz_variable_is_honoured(self):
        """TZ=Europe/Berlin changes the local time."""
        out = support.output_of_python(
            self,
            "import datetime; print(datetime.datetime(2024, 7, 1, 12).astimezone().isoformat())",
            env=support.environment(TZ="Europe/Berlin"),
        )
        self.assertEqual(out.strip(), "2024-07-01T12:00:00+02:00")


if __name__ == "__main__":
    unittest.main()
