import math
import tempfile
import unittest
import xml.etree.ElementTree
from datetime import date, timedelta
from pathlib import Path

from flights import data, flights, picture, recompute
from flights.data import Flight


def row(**others):
    return {"carrier": "B6", "dep_time": "517", "air_time": "227", "distance": "1400",
            "time_hour": "2013-01-01T10:00:00Z", **others}


def daily(carrier, first, numbers):
    """Flights of 100 miles and 20 minutes, so many on each day from the first on."""
    for index, number in enumerate(numbers):
        for _ in range(number):
            yield Flight(carrier, f"{first + timedelta(days=index)}T12:00:00Z", 100, 20)


def finding(carrier, metric, result, **others):
    return {"type": "usage_anomaly", "customer_id": carrier, "metric": metric, "severity": result.severity, "direction": result.direction,
            "sample_count": result.samples, "current_value": result.current, "baseline_mean": result.mean,
            "baseline_stddev": result.stddev, "z_score": result.z_score, **others}


class Usage(unittest.TestCase):
    def test_only_flights_that_departed_count(self):
        read = list(data.departed([row(), row(dep_time="NA"), row(dep_time="", air_time=""), row(air_time="NA")]))
        self.assertEqual(read, [
            Flight("B6", "2013-01-01T10:00:00Z", 1400, 227),
            Flight("B6", "2013-01-01T10:00:00Z", 1400, None),
        ])

    def test_the_file_for_the_import(self):
        read = data.departed([row(), row(carrier="9E", air_time="NA", distance="80", time_hour="2013-12-31T23:00:00Z")])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "usage.csv"
            self.assertEqual(data.write_usage(read, file), 3)
            self.assertEqual(file.read_bytes().decode(), "".join(line + "\n" for line in [
                "customer_id,event_type,timestamp,value",
                "B6,departure,2013-01-01T10:00:00Z,1400",
                "B6,airborne,2013-01-01T10:00:00Z,227",
                "9E,departure,2013-12-31T23:00:00Z,80",
            ]))
            self.assertEqual([path.name for path in Path(folder).iterdir()], ["usage.csv"])

    def test_the_catalog_knows_the_events_and_no_other(self):
        catalog = flights.CATALOG.read_text(encoding="utf-8")
        written = {event[1] for event in data.events([Flight("B6", "2013-01-01T10:00:00Z", 1400, 227)])}
        filters = {line.split("'")[1] for line in catalog.splitlines() if line.startswith("filter")}
        self.assertEqual(filters, written)
        names = [line.split('"')[1] for line in catalog.splitlines() if line.startswith("name")]
        self.assertEqual(tuple(names), recompute.METRICS)
        self.assertEqual(catalog.count(f"min_change = {recompute.MIN_CHANGE:.0f}\n"), len(names))


class Check(unittest.TestCase):
    baseline = [9.0, 10.0, 11.0] * 10

    def test_verdicts(self):
        deviation = math.sqrt(20 / 29)
        for current, expected in [
            (10.0, None),
            (10.0 + 2.9 * deviation, None),
            (10.0 + 3.1 * deviation, "warning"),
            (10.0 - 4.9 * deviation, "warning"),
            (10.0 - 5.1 * deviation, "critical"),
            (1e6, "critical"),
        ]:
            with self.subTest(current):
                result = recompute.check(current, self.baseline)
                self.assertEqual(result.severity, expected)
                self.assertAlmostEqual(result.z_score, min(100.0, (current - 10.0) / deviation), places=9)

    def test_a_change_below_a_floor_is_none(self):
        self.assertIsNone(recompute.check(0.0, [0.0] * 29 + [1.0]).severity, "it is below min_change")
        self.assertIsNone(recompute.check(1005.0, [999.0, 1001.0] * 15).severity, "it is below 10 %")

    def test_a_constant_baseline(self):
        for current, constant, z_score, severity in [
            (2.0, 2.0, 0.0, None),
            (1.0, 2.0, -12.5, "critical"),
            (0.0, 2.0, -25.0, "critical"),
            (40.0, 20.0, 25.0, "critical"),
            (12.0, 0.0, 100.0, "critical"),
            (0.0, 0.0, 0.0, None),
        ]:
            with self.subTest(current=current, constant=constant):
                result = recompute.check(current, [constant] * 30)
                self.assertEqual((result.z_score, result.severity), (z_score, severity))


class Totals(unittest.TestCase):
    first = date(2013, 1, 1)

    def test_sums_of_a_day(self):
        totals = recompute.DailyTotals([*daily("B6", self.first, [2]), Flight("B6", "2013-01-01T23:00:00Z", 7, None)])
        self.assertEqual([totals.of("B6", metric, self.first) for metric in recompute.METRICS], [3, 207, 40])
        self.assertEqual(totals.of("B6", "departures", date(2013, 1, 2)), 0)

    def test_all_days_of_an_older_carrier_count(self):
        totals = recompute.DailyTotals(daily("B6", self.first, [1, 0, 0] * 10 + [4]))
        result = totals.check("B6", "departures", self.first + timedelta(days=30))
        self.assertEqual((result.samples, result.mean, result.current), (30, 1 / 3, 4))

    def test_of_a_new_carrier_those_after_its_first_day_count(self):
        totals = recompute.DailyTotals(daily("B6", self.first, [9] + [1] * 7 + [4]))
        result = totals.check("B6", "departures", self.first + timedelta(days=8))
        self.assertEqual((result.samples, result.mean), (7, 1.0))
        self.assertIsNone(totals.check("B6", "departures", self.first + timedelta(days=7)), "six days are too few")

    def test_a_carrier_without_a_flight_is_not_judged(self):
        totals = recompute.DailyTotals(daily("B6", self.first, [1]))
        self.assertIsNone(totals.check("B6", "departures", date(2013, 6, 1)))


class Hours(unittest.TestCase):
    hours = recompute.HourlyTotals(
        Flight("B6", f"{date(2013, 1, 1) + timedelta(days=day)}T{hour:02}:00:00Z", 100, 20)
        for day in range(40) for hour in (9, 10, 11) for _ in range(2 if day == 39 else 4 + day % 3)
    )

    def test_a_window_is_compared_with_the_same_hours_of_the_days_before(self):
        result = self.hours.check("B6", "departures", "2013-02-09T09:00:00Z", "2013-02-09T12:00:00Z")
        self.assertEqual((result.current, result.mean, result.samples), (6.0, 15.0, 30))
        one = self.hours.check("B6", "air_time", "2013-02-09T11:00:00Z", "2013-02-09T12:00:00Z")
        self.assertEqual((one.current, one.mean), (40.0, 100.0))

    def test_windows_before_the_first_flight_do_not_count(self):
        result = self.hours.check("B6", "departures", "2013-01-10T09:00:00Z", "2013-01-10T12:00:00Z")
        self.assertEqual(result.samples, 9)
        later = self.hours.check("B6", "departures", "2013-01-10T08:00:00Z", "2013-01-10T11:00:00Z")
        self.assertEqual(later.samples, 8, "the oldest window begins before the first flight")


class Agreement(unittest.TestCase):
    def setUp(self):
        window = {"start": "2013-02-09T09:00:00Z", "end": "2013-02-09T12:00:00Z"}
        self.findings = [
            finding("B6", metric, Hours.hours.check("B6", metric, window["start"], window["end"]), window=window)
            for metric in recompute.METRICS
        ]

    def test_the_same_figures_agree(self):
        self.findings[0]["z_score"] *= 1 + 1e-11
        self.assertEqual(recompute.differences(Hours.hours, self.findings), [])

    def test_every_difference_is_named(self):
        self.findings[0]["z_score"] *= 1 + 1e-8
        self.findings[1]["sample_count"] = 29
        lines = recompute.differences(Hours.hours, self.findings)
        self.assertEqual(len(lines), 2, lines)
        for expected in ("B6 departures: z_score is", "B6 distance: sample_count is 29, recomputed 30"):
            self.assertTrue(any(expected in line for line in lines), lines)

    def test_problems_of_a_day(self):
        summary = {"anomalies_found": 3, "findings": self.findings}
        drops = [entry for entry in self.findings if entry["metric"] == "departures"]
        self.assertEqual(flights.problems_of(date(2013, 1, 31), summary, drops, Hours.hours), [])
        [listed, carriers, jetblue] = flights.problems_of(
            flights.BLIZZARD, {**summary, "anomalies_found": 4}, drops, Hours.hours)
        self.assertIn("4 anomalies were found, but 3 are listed", listed)
        self.assertIn(f"1 carrier with a drop of departures, and it must be {flights.DAYS[flights.BLIZZARD]}", carriers)
        self.assertIn("it must be -14.1", jetblue)


class Picture(unittest.TestCase):
    def test_it_is_well_formed_and_says_what_it_shows(self):
        days = (date(2013, 2, 20) - date(2013, 1, 1)).days + 1
        numbers = [130 + index % 7 for index in range(days)]
        numbers[(date(2013, 2, 9) - date(2013, 1, 1)).days] = 36
        root = xml.etree.ElementTree.fromstring(picture.svg(recompute.DailyTotals(daily("B6", date(2013, 1, 1), numbers))))
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("9 February: 36", texts)
        self.assertIn("Carriers with a drop of departures, of 1", texts)


if __name__ == "__main__":
    unittest.main()
