"""Pages of queries in the AWS emulator, each without a look at those before it.

For each page of an index, the emulator sorts all items of the key and compares each with the condition. So a list takes time by the
square of its length, and the lists after a storm of 200,000 anomalies never end. Here a page that goes on, and has a limit, is given
only the items behind the last one. A condition on a sort key is a range, so nothing behind it can be missing.
"""

import bisect
import functools

# Keys of indexes whose order is remembered.
REMEMBERED = 128


class Pages:
    """Takes the place of three functions of the emulator's module of DynamoDB."""

    def __init__(self, module):
        self.module = module
        self.members = module._index_members
        # The query that is answered, if it goes on and has a limit.
        self.query = None
        # By table, index and key: the items of the key when they were sorted, and their order.
        self.orders = {}

    def install(self) -> None:
        self.module._query = self.answering(self.module._query)
        self.module._index_members = self.members_for_the_query
        self.module._index_item = self.forgetting(self.module._index_item)

    def answering(self, query):
        @functools.wraps(query)
        def answer(data):
            goes_on = data.get("IndexName") and data.get("ExclusiveStartKey") and data.get("Limit")
            self.query = data if goes_on and data.get("KeyConditionExpression") else None
            try:
                return query(data)
            finally:
                self.query = None

        return answer

    def forgetting(self, index_item):
        @functools.wraps(index_item)
        def answer(table, *rest, **named):
            for key in [key for key in self.orders if key[0] == id(table)]:
                del self.orders[key]
            return index_item(table, *rest, **named)

        return answer

    def members_for_the_query(self, table):
        members = self.members(table)
        if self.query is None:
            return members
        name = self.query["IndexName"]
        return {name: NextPage(self, table, members.get(name, {}))}

    def order(self, table, members, key):
        """The items of a key in their order, each with what it is sorted by."""
        name, items = self.query["IndexName"], members.get(key, {})
        of, order = self.orders.get((id(table), name, key), (None, None))
        if of is items:
            return order
        bucket = table["items"]
        order = sorted((self.place(table, bucket[pk][sk]), (pk, sk)) for pk, sk in items)
        while len(self.orders) >= REMEMBERED:
            del self.orders[next(iter(self.orders))]
        self.orders[id(table), name, key] = (items, order)
        return order

    def place(self, table, item):
        """What an item is sorted by in the index of the query."""
        index = self.module._index_def(table, self.query["IndexName"])
        _, ranges = self.module._index_key_lists(index)
        sorted_by = self.module._index_order_keys(table, ranges)
        return tuple(self.module._index_order_value(item, name, kind) for name, kind in sorted_by)


class NextPage:
    """The items of an index, of which the query sees those of its next page."""

    def __init__(self, pages, table, members):
        self.pages, self.table, self.members = pages, table, members

    def get(self, key, _default=None):
        query = self.pages.query
        order, last = self.pages.order(self.table, self.members, key), self.pages.place(self.table, query["ExclusiveStartKey"])
        limit = int(query["Limit"])
        if query.get("ScanIndexForward", True):
            begin = bisect.bisect_right(order, last, key=lambda of: of[0])
            page = order[begin:begin + limit]
        else:
            end = bisect.bisect_left(order, last, key=lambda of: of[0])
            page = order[max(end - limit, 0):end]
        return [item for _, item in page]
