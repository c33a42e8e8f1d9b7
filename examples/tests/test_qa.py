import unittest
from datetime import datetime, timezone

from qa import planted, qa_runs, suites
from watching import generated

END = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)


class Suites(unittest.TestCase):
    def test_eight_templates_of_three_teams(self):
        self.assertEqual(len({suite.template for suite in suites.SUITES}), 8)
        self.assertEqual({suite.team for suite in suites.SUITES}, {"web", "mobile", "api"})

    def test_a_run_fits_into_its_slot(self):
        for suite in suites.SUITES:
            longest = suite.seconds * (1 + generated.JITTER) * (1 + generated.RHYTHM) * suite.slower + 8
            self.assertLess(longest, suite.every_minutes * 60, suite.template)

    def test_no_single_run_of_a_slower_hour_is_unusual(self):
        # The rule for single runs asks for 1.5 times the mean.
        for suite in suites.SUITES:
            self.assertLess(suite.slower * (1 + generated.JITTER) * (1 + generated.RHYTHM), 1.5, suite.template)

    def test_creeping_failures_are_never_in_a_row(self):
        slots = suites.by_name("search").failing_slots
        self.assertTrue(all(earlier - later >= 2 for earlier, later in zip(slots, slots[1:])), slots)

    def test_the_statements_are_the_same_each_time(self):
        statements = list(suites.statements(END))
        self.assertEqual(len(statements), 8)
        self.assertEqual(statements, list(suites.statements(END)))

    def test_the_row_of_one_run(self):
        run = suites.Run("demo-a", suites.by_name("login"), END, 90, False)
        self.assertEqual(run.statement, f"INSERT INTO {{database}}.workflow_runs ({suites.COLUMNS}) VALUES "
                                        "('demo-a', 'QA-6', 'mobile', 'login', 90, False, '2026-11-21 13:00:00.000')")


class Planted(unittest.TestCase):
    made = planted.runs(END)

    def test_each_takes_the_place_of_a_usual_run(self):
        self.assertEqual(sum(suite.left_out for suite in suites.SUITES), len(self.made))

    def test_the_only_alert_of_three_failures_is_that_of_the_third(self):
        told = [told for one in self.made for told in one.announcements if "in a row" in told.what]
        self.assertEqual([announcement.leads_to is None for announcement in told], [True, True, False])

    def test_five_kinds_are_expected_each_once(self):
        kinds = sorted(one.kind for one in planted.expected(self.made))
        self.assertEqual(kinds, ["consecutive_failures", "pattern_deviation", "performance_degradation", "spike_in_failures",
                                 "unusual_execution_time"])

    def test_the_table_of_the_preset_is_made_in_the_database(self):
        names = [statement.format(database="d").split()[5] for statement in qa_runs.DEMO.statements]
        self.assertEqual(names, ["d.workflow_runs"])


if __name__ == "__main__":
    unittest.main()
