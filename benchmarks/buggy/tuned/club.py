"""A club: members, trees of belts, generators, threads."""

import contextlib
import struct
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime


class Member:
    def __init__(self, name, belt, sponsor=None):
        self.name, self.belt, self.sponsor = name, belt, sponsor

    @property
    def rank(self):
        return {"white": 1, "blue": 2, "black": 3}[self.belt]

    def __repr__(self):
        return f"<Member {self.name} at {id(self):#x}>"


def bug_unknown_belt(v):
    return Member(v.name, v.word).rank


def root_sponsor(member):
    return root_sponsor(member.sponsor)


def bug_sponsors_without_end(v):
    one = Member(v.name, "white")
    one.sponsor = one
    return root_sponsor(one)


def is_even(number):
    return is_odd(number - 1)


def is_odd(number):
    return is_even(number - 1)


def bug_odd_and_even_without_end(v):
    return is_even(v.id)


def depth(tree):
    if not tree:
        return tree.left
    return depth(tree[0])


def bug_leaf_has_no_left(v):
    tree = None
    for _ in range(v.id % 7 + 1):
        tree = [tree]
    return depth(tree)


def names(rows):
    for row in rows:
        yield row.name.strip()


def bug_row_without_name(v):
    return list(names([Member(v.name, "white"), Member(None, "blue")]))


def first(rows):
    return max(row for row in rows if row > 0)


def bug_nothing_found(v):
    return first([-v.id])


def birthday(text):
    return datetime.strptime(text, "%Y-%m-%d").date()


def bug_bad_birthday(v):
    return birthday(f"{v.id}.{v.id}.")


def read_header(data):
    return struct.unpack("<II", data)


def bug_short_header(v):
    return read_header(b"x" * (v.id % 7))


def export(members):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(export_one, members))


def export_one(member):
    return member.name.encode("ascii").decode()


def bug_name_is_not_ascii(v):
    return export([Member(v.name + "é", "white")])


@contextlib.contextmanager
def locked(name):
    if not name:
        raise TimeoutError("could not lock the register in time")
    yield name


def bug_lock_times_out(v):
    with locked(""):
        return v.id


@contextlib.contextmanager
def session(user):
    yield user
    raise RuntimeError("session was closed before its work was done")


def bug_session_closed(v):
    with session(v.name):
        pass


def grade(points):
    assert 0 <= points <= 100, f"{points} points are impossible"
    return points // 10


def bug_too_many_points(v):
    return grade(100 + v.id)


def call_helper(method, *args):
    return getattr(Register(), method)(*args)


class Register:
    def find(self, key):
        return self._rows()[key]

    def remove(self, key):
        self._rows().remove(key)

    def _rows(self):
        return []


def bug_find_in_empty(v):
    return call_helper("find", v.id)


def bug_remove_from_empty(v):
    return call_helper("remove", v.id)


def bug_no_such_method(v):
    return call_helper("rename", v.word)


def handlers():
    return {"join": lambda member: member["name"].title(), "leave": lambda member: member["since"] + 1}


def bug_join_without_name(v):
    return handlers()["join"]({"id": v.id})


def bug_leave_since_word(v):
    return handlers()["leave"]({"since": v.word})


def evaluate(formula, values):
    return eval(formula, {}, values)  # what a report's author typed


def bug_formula_divides_by_zero(v):
    return evaluate("fee / members", {"fee": v.amount, "members": 0})


def local(number):
    count = number

    def increment():
        nonlocal count
        count += "1"
        return count

    return increment()


def bug_adds_text_to_number(v):
    return local(v.id)


def bug_division_in_listcomp(v):
    return [v.id / rate for rate in (1, 0)]


def merge_fees(fees):
    return {**fees, **fees["family"]}


def bug_fee_is_no_mapping(v):
    return merge_fees({"family": v.amount})
