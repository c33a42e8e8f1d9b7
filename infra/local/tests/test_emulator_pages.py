"""The pages of queries in the AWS emulator: those of its own program, and a page that goes on without a look at all others."""

import json
import random
import unittest

from ministack.services import dynamodb

from emulator_pages import Pages

NAMES = ("_query", "_index_members", "_index_item")
OWN = {name: getattr(dynamodb, name) for name in NAMES}
TABLE = {
    "TableName": "pages",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in
                             (("pk", "S"), ("sk", "S"), ("part", "S"), ("seen_at", "N"))],
    "GlobalSecondaryIndexes": [{
        "IndexName": "by-part",
        "KeySchema": [{"AttributeName": "part", "KeyType": "HASH"}, {"AttributeName": "seen_at", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "ALL"},
    }],
    "BillingMode": "PAY_PER_REQUEST",
}


class PagesOfQueries(unittest.TestCase):
    def setUp(self):
        self.ask("_create_table", TABLE)
        chance = random.Random(7)
        for number in range(120):
            # Many have the same time, so the keys of the table decide.
            self.put(number, at=chance.randrange(12))
        self.pages = Pages(dynamodb)

    def tearDown(self):
        for name, function in OWN.items():
            setattr(dynamodb, name, function)
        self.ask("_delete_table", {"TableName": "pages"})

    def ask(self, function, data):
        status, _, body = getattr(dynamodb, function)(data)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def put(self, number, at, part="a"):
        self.ask("_put_item", {"TableName": "pages", "Item": {"pk": {"S": f"c{number % 50}"}, "sk": {"S": f"{number:04}"},
                                                              "part": {"S": part}, "seen_at": {"N": str(at)}}})

    def page(self, forward, limit, last=None, part="a", **more):
        query = {"TableName": "pages", "IndexName": "by-part", "ScanIndexForward": forward, "Limit": limit,
                 "KeyConditionExpression": "part = :part AND seen_at BETWEEN :from AND :to",
                 "ExpressionAttributeValues": {":part": {"S": part}, ":from": {"N": "2"}, ":to": {"N": "9"}}, **more}
        return self.ask("_query", query if last is None else {**query, "ExclusiveStartKey": last})

    def all_pages(self, forward, limit, between=lambda: None):
        pages, last = [], None
        while True:
            page = self.page(forward, limit, last)
            pages.append(page)
            last = page.get("LastEvaluatedKey")
            if last is None:
                return pages
            between()

    def test_pages_are_those_of_the_emulator(self):
        shapes = [(forward, limit) for forward in (True, False) for limit in (1, 7, 100, 1_000)]
        own = [self.all_pages(*shape) for shape in shapes]
        self.pages.install()
        self.assertEqual([self.all_pages(*shape) for shape in shapes], own)
        self.assertGreater(len(own[1]), 8)

    def test_a_page_that_goes_on_is_given_no_more_than_its_items(self):
        self.pages.install()
        first = self.page(True, 10)
        seen, evaluate = [], dynamodb._evaluate_condition
        dynamodb._evaluate_condition = lambda *args, **named: seen.append(args[1]) or evaluate(*args, **named)
        self.addCleanup(setattr, dynamodb, "_evaluate_condition", evaluate)
        self.page(True, 10, first["LastEvaluatedKey"])
        # Ten items, and the last one of the page before.
        self.assertEqual(len(seen), 11)

    def test_what_is_written_between_two_pages_is_seen(self):
        def pages_of(*changes):
            changes = list(changes)
            return self.all_pages(False, 40, lambda: changes.pop()() if changes else None)

        write = [lambda: self.put(900, at=3), lambda: self.put(5, at=2), lambda: self.put(7, at=4, part="b"),
                 lambda: self.ask("_delete_item", {"TableName": "pages", "Key": {"pk": {"S": "c8"}, "sk": {"S": "0008"}}})]
        undo = [lambda: self.ask("_delete_item", {"TableName": "pages", "Key": {"pk": {"S": "c0"}, "sk": {"S": "0900"}}}),
                lambda: self.put(5, at=1), lambda: self.put(7, at=1), lambda: self.put(8, at=1)]
        for change in undo:
            change()
        own = pages_of(*write)
        for change in undo:
            change()
        self.pages.install()
        self.assertEqual(pages_of(*write), own)


if __name__ == "__main__":
    unittest.main()
