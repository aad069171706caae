"""What waits: coroutines, task groups, timeouts, async generators."""

import asyncio


async def fetch_member(member_id):
    await asyncio.sleep(0)
    return {"id": member_id}["name"]


async def member_page(member_id):
    return await fetch_member(member_id)


async def bug_member_without_name(v):
    return await member_page(v.id)


async def notify(addresses):
    async with asyncio.TaskGroup() as group:
        for address in addresses:
            group.create_task(send_mail(address))


async def send_mail(address):
    await asyncio.sleep(0)
    user, _, host = address.partition("@")
    if not host:
        raise ValueError(f"{address} is no e-mail address")
    return user


async def bug_bad_address(v):
    await notify([v.word] * (1 + v.id % 3))


async def bug_two_kinds_in_group(v):
    async with asyncio.TaskGroup() as group:
        group.create_task(send_mail(v.word))
        group.create_task(fetch_member(v.id))


async def slow():
    await asyncio.sleep(5)


async def bug_too_slow(v):
    async with asyncio.timeout(0.001 + v.id % 3 / 1000):
        await slow()


async def rows(count):
    for number in range(count):
        yield 10 / (number - 1)


async def bug_async_generator_divides(v):
    return [row async for row in rows(2 + v.id % 3)]


class Connection:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        raise ConnectionError("connection was lost while it was closed")


async def bug_closing_loses_connection(v):
    async with Connection():
        pass


async def gather_all(numbers):
    return await asyncio.gather(*(check(number) for number in numbers))


async def check(number):
    if number % 2 == 0:
        raise ArithmeticError(f"check {number} failed")
    return number


async def bug_check_fails(v):
    return await gather_all([1, 3, v.id * 2])


async def import_file(lines):
    errors = []
    for number, line in enumerate(lines):
        try:
            parse_line(line, number)
        except ValueError as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"{len(errors)} lines could not be read", errors)


def parse_line(line, number):
    if ";" not in line:
        raise ValueError(f"line {number} has no separator: {line!r}")
    return float(line.split(";")[1])


async def bug_lines_without_separator(v):
    await import_file([v.word] * (1 + v.id % 4))


async def bug_lines_without_number(v):
    await import_file([f"{v.word};{v.word}"] * (1 + v.id % 2))


async def subscribe(user, plan):
    if plan is None:
        raise LookupError(f"user {user} has no plan")
    return plan.price


async def bug_no_plan(v):
    return await subscribe(v.name, None)


async def bug_plan_without_price(v):
    return await subscribe(v.name, v.word)
