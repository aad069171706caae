"""A shop: orders, totals, cards."""

import json
import operator
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce


class CartEmpty(Exception):
    pass


class PaymentFailed(Exception):
    pass


@dataclass
class Line:
    sku: str
    price: float
    quantity: int


class Cart:
    def __init__(self, lines):
        self.lines = lines
        self.coupon = None

    def total(self):
        return sum(line.price * line.quantity for line in self.lines)

    def average(self):
        return self.total() / len(self.lines)

    def discount(self):
        return self.coupon.percent / 100 * self.total()

    def checkout(self, card):
        if not self.lines:
            raise CartEmpty
        if card is None:
            raise PaymentFailed("no card was given")
        if card["balance"] < self.total():
            raise PaymentFailed(f"card {card['number']} has only {card['balance']} of {self.total()}")
        return self.total()


def bug_average_of_nothing(v):
    return Cart([]).average()


def bug_no_coupon(v):
    cart = Cart([Line(v.word, v.amount, 2)])
    return cart.discount()


def bug_checkout_empty(v):
    return Cart([]).checkout({"balance": v.amount})


def bug_checkout_without_card(v):
    return Cart([Line(v.word, v.amount, 1)]).checkout(None)


def bug_checkout_poor_card(v):
    return Cart([Line(v.word, v.amount + 10, 1)]).checkout({"balance": v.amount, "number": v.id})


def bug_text_times_text(v):
    return Cart([Line(v.word, str(v.amount), 1.5)]).total()


def parse_order(text):
    order = json.loads(text)
    lines = [Line(entry["sku"], entry["price"], entry["quantity"]) for entry in order["lines"]]
    return Cart(lines)


def bug_order_is_no_json(v):
    return parse_order(f"<order>{v.id}</order>")


def bug_order_without_lines(v):
    return parse_order(json.dumps({"id": v.id}))


def bug_line_without_price(v):
    return parse_order(json.dumps({"lines": [{"sku": v.word}]}))


def to_cents(price):
    return int(Decimal(price) * 100)


def bug_price_is_a_word(v):
    return to_cents(v.word)


def pick(orders, index):
    return orders[index]


def bug_no_such_order(v):
    return pick([v.word] * 3, 3 + v.id)


def charge(customer, amount, currency):
    if amount <= 0:
        raise ValueError(f"amount must be positive, not {-v_cents(amount)}")
    if currency not in ("eur", "usd"):
        raise ValueError(f"unknown currency {currency!r}")
    raise ValueError(
        f"customer {customer} has no card",
    )


def v_cents(amount):
    return round(amount * 100)


def bug_negative_amount(v):
    charge(v.id, -v.amount, "eur")


def bug_unknown_currency(v):
    charge(v.id, v.amount, v.word)


def bug_customer_without_card(v):
    charge(v.id, v.amount, "usd")


def bug_wrong_reduce(v):
    return reduce(operator.add, [[], v.amount][v.id % 1 :])


def load_prices(path):
    with open(path) as file:
        return file.read()


def bug_missing_price_file(v):
    return load_prices(v.path)


def stock(level):
    match level:
        case {"count": int(count)}:
            return count
        case _:
            raise LookupError(f"cannot read stock level {level!r}")


def bug_unreadable_stock(v):
    return stock({"count": v.word})


def ship(order):
    try:
        return order["address"]["street"]
    except KeyError as error:
        raise PaymentFailed(f"order {order['id']} cannot be shipped") from error


def bug_ship_without_address(v):
    return ship({"id": v.id})


def bug_ship_without_street(v):
    return ship({"id": v.id, "address": {"town": v.word}})


def refund(order):
    try:
        return 100 / order["paid"]
    except Exception as error:
        raise PaymentFailed(f"refund of {order['id']} failed") from error


def bug_refund_of_nothing(v):
    return refund({"id": v.id, "paid": 0})


def bug_refund_of_unknown(v):
    return refund({"id": v.id})
