"""A school of its own: written after grouping was tuned, and never looked at while tuning."""

import asyncio
import configparser
import csv
import io
import ipaddress
import logging
import math
import sqlite3
import uuid
from collections import deque
from datetime import date
from enum import Enum
from functools import lru_cache, partial
from string import Template

import httpx
import pydantic

log = logging.getLogger("school")


class Belt(Enum):
    WHITE = "white"
    BLACK = "black"


class Refused(Exception):
    def __init__(self, reason, student):
        super().__init__(f"{student} was refused: {reason}")


class Students:
    def __init__(self, rows):
        self._rows = {row["id"]: row for row in rows}

    def __getitem__(self, student_id):
        return self._rows[student_id]

    def oldest(self):
        return max(self._rows.values(), key=lambda row: row["born"].year)

    def enrol(self, student, course):
        if course is None:
            raise Refused("no such course", student)
        if len(course["students"]) >= course["seats"]:
            raise Refused("course is full", student)
        course["students"].append(student)


def bug_student_is_unknown(v):
    return Students([])[v.id]


def bug_birth_is_text(v):
    return Students([{"id": v.id, "born": v.word}]).oldest()


def bug_course_is_missing(v):
    Students([]).enrol(v.name, None)


def bug_course_is_full(v):
    Students([]).enrol(v.name, {"students": [v.word], "seats": 1})


def bug_unknown_belt_color(v):
    return Belt(v.word)


def fee(kind, amount):
    rates = {"child": 0.5, "adult": 1}
    return rates[kind] * amount + "EUR"


def bug_fee_kind(v):
    return fee(v.word, v.amount)


def bug_fee_adds_currency(v):
    return fee("adult", v.amount)


def settings(text):
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser.get("mail", "host")


def bug_settings_without_section(v):
    return settings(f"[web]\nhost = {v.word}\n")


def bug_settings_are_no_ini(v):
    return settings(f"host {v.word}")


def timetable(text):
    for row in csv.DictReader(io.StringIO(text)):
        yield date.fromisoformat(row["day"])


def bug_timetable_has_no_day(v):
    return list(timetable(f"date\n{v.word}\n"))


def bug_timetable_day_is_odd(v):
    return list(timetable(f"day\n{v.id}\n"))


def network(text):
    return ipaddress.ip_network(text)


def bug_bad_network(v):
    return network(v.word)


def letter(template, **values):
    return Template(template).substitute(values)


def invitation(name):
    return letter("Dear $name, come to $place", name=name)


def reminder(name):
    return letter("Dear $name, pay until $day", name=name)


def bug_invitation_without_place(v):
    return invitation(v.name)


def bug_reminder_without_day(v):
    return reminder(v.name)


def rooms():
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, seats INTEGER CHECK (seats > 0))"
    )
    return connection


def add_room(connection, name, seats):
    connection.execute("INSERT INTO room (name, seats) VALUES (?, ?)", (name, seats))


def bug_room_twice(v):
    connection = rooms()
    for _ in range(2):
        add_room(connection, v.word, v.id)


def bug_room_without_seats(v):
    add_room(rooms(), v.word, -v.id)


def bug_room_without_name(v):
    add_room(rooms(), None, v.id)


@lru_cache
def root(number):
    return math.sqrt(number)


def bug_root_of_negative(v):
    return root(-v.id)


def apply_all(functions, value):
    return [function(value) for function in functions]


def halve(value):
    return value / 2


def bug_halves_a_word(v):
    return apply_all([str, partial(halve)], v.word)


def next_in_line(line):
    return line.popleft()


def bug_nobody_waits(v):
    return next_in_line(deque())


def load(source):
    try:
        return source["rows"][0]["name"].upper()
    except (KeyError, IndexError, AttributeError) as error:
        raise RuntimeError("students could not be loaded") from error


def bug_load_without_rows(v):
    return load({})


def bug_load_empty_rows(v):
    return load({"rows": []})


def bug_load_name_is_number(v):
    return load({"rows": [{"name": v.id}]})


class Grade(pydantic.BaseModel):
    points: int = pydantic.Field(ge=0, le=100)


def read_grade(points):
    return Grade(points=points)


def bug_grade_out_of_range(v):
    return read_grade(100 + v.id)


def client(status):
    return httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(status)), base_url="http://school.test"
    )


def weather(http, town):
    return http.get("/weather", params={"town": town}).raise_for_status()


def news(http, page):
    return http.get(f"/news/{page}").raise_for_status()


def bug_weather_is_down(v):
    return weather(client(502), v.word)


def bug_news_are_gone(v):
    return news(client(404), v.id)


def bug_bad_uuid(v):
    return uuid.UUID(v.word)


async def lesson(number):
    await asyncio.sleep(0)
    if number > 2:
        raise IndexError(f"lesson {number} does not exist")
    return number


async def bug_lesson_does_not_exist(v):
    async with asyncio.TaskGroup() as group:
        for _ in range(1 + v.id % 2):
            group.create_task(lesson(2 + v.id))


async def queue_of(items):
    queue = asyncio.Queue(maxsize=1)
    for item in items:
        queue.put_nowait(item)


async def bug_queue_is_full(v):
    await queue_of([v.word, v.id])


async def walk(tree):
    for child in tree["children"]:
        await walk(child)
    return tree["name"]


async def bug_child_without_name(v):
    tree = {"children": []}
    for _ in range(v.id % 5):
        tree = {"children": [tree], "name": v.word}
    await walk(tree)


def bug_says_key_refused(v):
    log.error("door %s refused the key of %s", v.id, v.name)


def bug_says_disk(v):
    log.error(f"disk has {v.id} MB left of {v.amount} GB")


def bug_says_slow(v):
    log.error("report took %0.1f seconds", v.amount)


def bug_says_login(v):
    log.error(f"login of {v.email} from 10.1.{v.id % 250}.7 failed {v.id} times")


def bug_says_order(v):
    log.error("order %r cannot be sent to %r", v.token, v.word)
