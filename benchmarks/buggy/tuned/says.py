"""What only says: log messages, without an exception or beside one."""

import logging
import warnings

log = logging.getLogger(__name__)


def bug_says_member_not_found(v):
    log.error("member %s not found", v.name)


def bug_says_payment_late(v):
    log.error("payment %d is late by %s days", v.id, v.amount)


def bug_says_number(v):
    log.error(f"import stopped at row {v.id}")


def bug_says_mail_bounced(v):
    log.error(f"mail to {v.email} bounced")


def bug_says_file_broken(v):
    log.error(f"file {v.path} is broken")


def bug_says_pairs(v):
    log.error(f"webhook failed: attempt={v.id} event=evt_{v.token}")


def bug_says_list(v):
    log.error(f"rows {list(range(v.id % 5 + 1))} were skipped")


def bug_says_uuid(v):
    log.error(f"job {v.uuid} was lost")


def bug_says_quoted(v):
    log.error(f"can't find the tier '{v.word}' of the member's plan")


def bug_says_with_exception(v):
    try:
        {}[v.word]
    except KeyError:
        log.exception("cache miss for %s", v.id)


def nightly(v):
    try:
        return v.missing
    except AttributeError:
        log.error("nightly job %s failed", v.id, exc_info=True)


def bug_nightly_job(v):
    nightly(v)


def bug_says_duration(v):
    log.error("sync took %.2f s, limit is %d s", v.amount, 30)
