import socket
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone

from traces import collector, load, past, planted
from traces.dependency import Dependency

DELAY = timedelta(minutes=2)


def at(hour, minute, second=0):
    return datetime(2026, 11, 21, hour, minute, second, tzinfo=timezone.utc)


class Windows(unittest.TestCase):
    def test_the_newest_windows_are_over_for_a_run_that_judges_later(self):
        self.assertEqual(past.Ends.of(at(13, 41, 59), DELAY), past.Ends(at(13, 35), at(13, 0)))
        self.assertEqual(past.Ends.of(at(13, 42), DELAY), past.Ends(at(13, 40), at(13, 0)))
        self.assertEqual(past.Ends.of(at(13, 1), DELAY), past.Ends(at(12, 55), at(12, 0)))

    def test_usual_traffic_fills_all_windows_but_the_newest(self):
        ends = past.Ends(at(13, 40), at(13, 0))
        windows = past.windows(ends)
        self.assertEqual(len(windows), len(set(windows)))
        today = [start for start in windows if start > at(0, 0)]
        self.assertEqual((min(today), max(today)), (at(10, 40), at(13, 30)))
        yesterday = [start for start in windows if start.day == 20]
        self.assertEqual((min(yesterday), max(yesterday)), (at(10, 40) - timedelta(days=1), at(13, 35) - timedelta(days=1)))
        self.assertEqual(len(windows), 35 + past.DAYS * 36)

    def test_blocks_take_turns(self):
        ends = past.Ends(at(13, 40), at(13, 0))
        blocks = [load.Block(began, began + 5, 120) for began in (100, 110, 120)]
        statements = list(past.usual(blocks, ends, "collected"))
        times = [statement.partition("ARRAY JOIN [")[2].partition("]")[0].split(", ") for statement in statements]
        self.assertEqual(sorted(time for some in times for time in some),
                         sorted(str(int(start.timestamp())) for start in past.windows(ends)))
        self.assertLessEqual(max(map(len, times)) - min(map(len, times)), 1)

    def test_a_block_fills_its_window(self):
        statement = past.moved(load.Block(100.5, 105.5, 120), [at(13, 0)], past.MINUTES, "collected")
        self.assertIn("* 60.0 +", statement)
        self.assertIn("first >= fromUnixTimestamp64Micro(100500000) AND first < fromUnixTimestamp64Micro(105500000)", statement)


class Requests(unittest.TestCase):
    def test_a_request_comes_as_an_event_of_the_gateway(self):
        event = load.event(load.Asked(load.THIEF, "GET", "/v1/incidents/1", 404))
        self.assertEqual(event["requestContext"]["http"]["sourceIp"], load.THIEF.address)
        self.assertEqual(event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"], load.OPERATOR.subject)

    def test_operations_take_turns(self):
        asked = load.interleaved(load.incidents(2), load.entities(2))
        self.assertEqual([one.path.rpartition("/")[2] for one in asked], ["incidents", "entities"] * 2)

    def test_what_is_planted_is_more_than_the_preset_asks_for(self):
        self.assertGreater(planted.REFUSED, 10)
        self.assertGreater(len(set(load.walk(planted.STEPS))), 200)


class Slow(unittest.TestCase):
    """A way to a server that answers each question with itself."""

    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        threading.Thread(target=self.answer, daemon=True).start()
        self.way = Dependency(f"http://127.0.0.1:{self.server.getsockname()[1]}", port=0)

    def answer(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                while chunk := connection.recv(1024):
                    connection.sendall(chunk)

    def ask(self):
        with socket.create_connection(("127.0.0.1", self.way.port), timeout=5) as client:
            client.sendall(b"how?")
            return client.recv(1024)

    def test_questions_wait_or_do_not_get_through(self):
        with self.way:
            self.assertEqual(self.ask(), b"how?")
            self.way.delay = 0.2
            began = time.monotonic()
            self.assertEqual(self.ask(), b"how?")
            self.assertGreater(time.monotonic() - began, 0.19)
            self.way.delay = 0.0
            with socket.create_connection(("127.0.0.1", self.way.port), timeout=5) as open_one:
                open_one.sendall(b"how?")
                self.assertEqual(open_one.recv(1024), b"how?")
                self.way.close()
                self.assertEqual(open_one.recv(1024), b"")
            self.assertEqual(self.ask(), b"")
            self.way.open()
            self.assertEqual(self.ask(), b"how?")

    def test_an_address_has_a_port(self):
        self.assertEqual(collector.host_and_port("http://127.0.0.1:8123"), ("127.0.0.1", 8123))
        self.assertEqual(collector.host_and_port("https://db.example"), ("db.example", 443))


if __name__ == "__main__":
    unittest.main()
