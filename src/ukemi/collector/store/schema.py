"""
The schema: what each column means, its unit, and who writes it.

Conventions: every table about a project has `project_id` first in its key, so that a project's rows lie together and
no query crosses projects by accident. `*_us` are UTC instants in integer microseconds since the epoch. Unless a column
says otherwise, instants are times of *receipt* by this collector, never a client's clock. `""` stands for "not given" in
environment and release, since NULL would not be equal to itself in a key. Hashes and event ids are raw bytes.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite gives rowids only to INTEGER PRIMARY KEY; PostgreSQL needs 64 bits.
_BigId = BigInteger().with_variant(Integer, "sqlite")


def _project() -> Column[int]:
    return Column("project_id", Integer, ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)


# --- accounts: written by web and cli ---------------------------------------------------------------------------------

account = Table(
    "account",
    metadata,
    Column("id", _BigId, primary_key=True, autoincrement=True),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("password_hash", Text),  # argon2; NULL until the owner of the address chose one
    Column("role", Text, nullable=False),  # owner | member
    Column("created_us", BigInteger, nullable=False),
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),  # SHA-256 of the token; the token itself is never stored
    Column("account_id", _BigId, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),  # a link works once
)

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),  # SHA-256 of the cookie's value
    Column("account_id", _BigId, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)

# --- projects: written by cli and web ---------------------------------------------------------------------------------

project = Table(
    "project",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),  # numeric, since SDKs refuse any other DSN
    Column("name", Text, nullable=False, unique=True),
    Column("slug", Text, nullable=False, unique=True),  # prefix of short issue names: WWMAA-12
    Column("created_us", BigInteger, nullable=False),
    Column("keep_errors_days", Integer, nullable=False),
    Column("keep_performance_days", Integer, nullable=False),
    Column("issue_counter", Integer, nullable=False, server_default="0"),  # last short number given; by digest
    Column(
        "resolve_after_hours", Integer, nullable=False, server_default="0"
    ),  # idle issues are resolved then; 0 = never
    Column("grouping_version", Integer, nullable=False, server_default="1"),  # of fingerprints: core/fingerprint.py
    Column("previous_grouping_version", Integer),  # while its fingerprints still find their issues
)

client_key = Table(
    "client_key",
    metadata,
    _project(),
    Column("public_key", Text, primary_key=True),  # 32 lower-case hex digits
    Column("kind", Text, nullable=False),  # server | browser
    Column("is_enabled", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("limits", Text, nullable=False, server_default="{}"),  # JSON {category: items per minute}; by cli
    Index("ix_client_key_public_key", "public_key", unique=True),
)

# --- the hand-over from the spool: written by digest ------------------------------------------------------------------

spool_cursor = Table(
    "spool_cursor",
    metadata,
    Column("spool_id", Text, primary_key=True),  # UUID of the spool file
    Column("lane", Integer, primary_key=True),  # a Lane of ukemi.collector.spool
    Column("position", BigInteger, nullable=False),  # everything up to here is digested
)

outcome = Table(
    "outcome",
    metadata,
    _project(),
    Column("minute_us", BigInteger, primary_key=True),
    Column("category", Text, primary_key=True),  # of ukemi.protocol.vocabulary.Category
    Column(
        "outcome", Text, primary_key=True
    ),  # accepted | duplicate | sampled | filtered | rate_limited | invalid | not_kept | lost
    Column("reason", Text, primary_key=True),  # short word, "" for accepted
    Column("quantity", BigInteger, nullable=False),
)

# --- issues: written by digest; status also by web --------------------------------------------------------------------

issue = Table(
    "issue",
    metadata,
    _project(),
    Column("id", Text, primary_key=True),  # opaque, 16 hex digits
    Column("number", Integer, nullable=False),  # counts up per project: the 12 of WWMAA-12
    Column("status", Text, nullable=False),  # open | resolved | muted
    Column("level", Text, nullable=False),  # of the latest event: debug | info | warning | error | fatal
    Column("title", Text, nullable=False),
    Column("culprit", Text, nullable=False),
    Column(
        "title_folded", Text, nullable=False, server_default=""
    ),  # without case, in all scripts: what search looks in
    Column("culprit_folded", Text, nullable=False, server_default=""),
    Column("platform", Text, nullable=False),
    Column("key_kind", Text, nullable=False),  # server | browser: of the first event
    Column("grouping", Text, nullable=False),  # JSON: the explanation that came with the fingerprint
    Column(
        "condition", Text, nullable=False, server_default="{}"
    ),  # JSON of core/issue.Condition: what the status holds on to
    Column("first_release", Text, nullable=False),
    Column("last_release", Text, nullable=False, server_default=""),  # of the latest event that had one
    Column("first_seen_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Column("event_count", BigInteger, nullable=False),
    Column("user_count", BigInteger, nullable=False),
    Index("ix_issue_status_seen", "project_id", "status", "last_seen_us"),
    Index("ix_issue_seen", "status", "last_seen_us", "id"),  # the list of all projects, in its order
    Index("ix_issue_latest", "last_seen_us", "id"),  # and that of all statuses
    Index("ix_issue_number", "project_id", "number", unique=True),
    Index(
        "ix_issue_text", "project_id", "id", "title_folded", "culprit_folded"
    ),  # what search looks in, without the rest
)

release = Table(
    "release",
    metadata,
    _project(),
    Column("name", Text, primary_key=True),  # as the client wrote it: shop@1.2.3
    Column("first_seen_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Index("ix_release_first_seen", "project_id", "first_seen_us"),
)

fingerprint = Table(
    "fingerprint",
    metadata,
    _project(),
    Column("hash", LargeBinary, primary_key=True),  # 16 bytes
    Column("issue_id", Text, nullable=False),
    Index("ix_fingerprint_issue", "project_id", "issue_id"),
)

event = Table(
    "event",
    metadata,
    _project(),
    Column(
        "received_day", Integer, primary_key=True
    ),  # days since the epoch: what retention drops and PostgreSQL can partition by
    Column("id", LargeBinary, primary_key=True),  # 16 bytes, the client's id; unique within two days of receipt
    Column("issue_id", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("occurred_us", BigInteger, nullable=False),  # the client's clock, drift corrected
    Column("key_kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("user_key", Text, nullable=False),  # what counts as one user (`id:42`), "" when unknown
    Column("body", LargeBinary, nullable=False),  # the scrubbed event as JSON, zstd; see ukemi.collector.store.bodies
    Column("repeat_count", BigInteger, nullable=False, server_default="0"),  # how often it happened again, as told
    Index("ix_event_issue_received", "project_id", "issue_id", "received_us"),
)

event_base = Table(
    "event_base",
    metadata,
    _project(),
    Column("issue_id", Text, primary_key=True),
    Column("received_day", Integer, primary_key=True),
    Column("name", LargeBinary, nullable=False),  # 8 bytes, of its content: bodies say which base they need
    Column("body", LargeBinary, nullable=False),  # what other bodies of the issue's day are told by; see store.bases
)

issue_tag = Table(
    "issue_tag",
    metadata,
    _project(),
    Column("issue_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("event_count", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Index("ix_issue_tag_value", "project_id", "key", "value", "issue_id"),
)

issue_user = Table(
    "issue_user",
    metadata,
    _project(),
    Column("issue_id", Text, primary_key=True),
    Column("user_key", Text, primary_key=True),
    Column("last_seen_us", BigInteger, nullable=False),
    Index("ix_issue_user_key", "project_id", "user_key", "issue_id"),
)

rollup = Table(
    "rollup",
    metadata,
    _project(),
    Column("width_s", Integer, primary_key=True),  # 60 | 3600 | 86400
    Column("bucket_us", BigInteger, primary_key=True),  # start
    Column("issue_id", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("event_count", BigInteger, nullable=False),
    Index("ix_rollup_issue", "project_id", "issue_id", "width_s", "bucket_us"),
)

change = Table(
    "change",
    metadata,
    Column("id", _BigId, primary_key=True, autoincrement=True),  # order of happening
    Column("project_id", Integer, ForeignKey("project.id", ondelete="CASCADE"), nullable=False),
    Column("issue_id", Text, nullable=False),
    Column(
        "kind", Text, nullable=False
    ),  # new | regressed | unmuted | resolved | muted | reopened | deleted | event (a matching event of a known issue)
    Column("at_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: ChangeDetail of core/change.py: what alert rules look at
    Column("actor", Text, nullable=False),  # account e-mail, or "" for digest
    Column("claimed_us", BigInteger),  # when alerts took it; NULL = waiting
    Column("is_evidence", Boolean, nullable=False, server_default="0"),  # a rule wanted it: kept for back-tests
    Index("ix_change_issue", "project_id", "issue_id", "at_us"),
    Index("ix_change_unclaimed", "claimed_us", "id"),
    sqlite_autoincrement=True,
)

deletion = Table(  # by web; what is left of the issue is deleted in steps by the worker
    "deletion",
    metadata,
    _project(),
    Column("issue_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),  # of the issue: the 12 of WWMAA-12
    Column("actor", Text, nullable=False),  # account e-mail
    Column("asked_us", BigInteger, nullable=False),
    Column("event_count", BigInteger, nullable=False),  # of its events that were deleted so far
    Column("done_us", BigInteger),  # when nothing of it was left; NULL = at work
)

# --- request counts (docs/reference/request-counts.md): written by digest ---------------------------------------------

instance = Table(
    "instance",
    metadata,
    _project(),
    Column("id", Text, primary_key=True),  # random, one per process of the app
    Column("environment", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("server_name", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("last_report_us", BigInteger, nullable=False),
    Column("last_request_us", BigInteger),  # latest success or failure it told of, on our clock
    Column("last_success_us", BigInteger),
    Column(
        "failures_us", Text, nullable=False
    ),  # JSON: instants of its latest failures since its latest success, oldest first
    Column("failure_count", BigInteger, nullable=False),  # all failures since its latest success
    Column("ended_us", BigInteger),  # it said good-bye: its silence means nothing
)

request_bucket = Table(
    "request_bucket",
    metadata,
    _project(),
    Column("instance_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),  # the instance's own number of the bucket
    Column("bucket_us", BigInteger, nullable=False),  # start, placed by the first report's time of receipt
    Column(
        "body", LargeBinary, nullable=False
    ),  # the absolute counts of the latest report, JSON; kept a few minutes for resends
)

request_count = Table(
    "request_count",
    metadata,
    _project(),
    Column("width_s", Integer, primary_key=True),  # 60 | 3600
    Column("bucket_us", BigInteger, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("route", Text, primary_key=True),  # template: /members/{id}
    Column("status", Integer, primary_key=True),
    Column("request_count", BigInteger, nullable=False),
    Column("latency", Text, nullable=False),  # JSON {bin: count} of ukemi.protocol.vocabulary.latency_bin
)

# --- transactions (docs/reference/transactions.md): written by digest --------------------------------------------------

transaction_count = Table(
    "transaction_count",
    metadata,
    _project(),
    Column("width_s", Integer, primary_key=True),  # 60 | 3600
    Column("bucket_us", BigInteger, primary_key=True),  # start, by time of receipt
    Column("environment", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column(
        "key_kind", Text, primary_key=True
    ),  # server | browser: a browser key is public, so anybody can invent these
    Column("op", Text, primary_key=True),  # http.server, pageload, queue.task …
    Column("name", Text, primary_key=True),  # /members/{id}; "<< others >>" once a project has too many
    Column("is_failed", Boolean, primary_key=True),  # its status is neither ok, cancelled nor unknown
    Column("transaction_count", BigInteger, nullable=False),  # weighted by 1 / sample rate, in whole transactions
    Column("sample_count", BigInteger, nullable=False),  # those that really arrived
    Column(
        "latency", Text, nullable=False
    ),  # JSON {bin: count} as of request_count; weighted, adds up to transaction_count
)

transaction_sample = Table(
    "transaction_sample",
    metadata,
    _project(),
    Column("id", LargeBinary, primary_key=True),  # 16 bytes: the event id, or a hash of trace and segment
    Column("hour_us", BigInteger, nullable=False),  # start of the hour of receipt
    Column("op", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("key_kind", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_failed", Boolean, nullable=False),
    Column("trace_id", Text, nullable=False),  # 32 hex digits
    Column("span_count", Integer, nullable=False),  # with itself
    Column("body", LargeBinary, nullable=False),  # the scrubbed transaction as JSON, as in event
    Index("ix_transaction_sample_name", "project_id", "name", "hour_us"),
    Index("ix_transaction_sample_trace", "project_id", "trace_id"),
)

# --- sessions (docs/reference/sessions.md): written by digest ----------------------------------------------------------

session_count = Table(
    "session_count",
    metadata,
    _project(),
    Column("width_s", Integer, primary_key=True),  # 60 | 3600
    Column("bucket_us", BigInteger, primary_key=True),  # start, by time of receipt of what was counted
    Column("environment", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column(
        "key_kind", Text, primary_key=True
    ),  # server | browser: a browser key is public, so anybody can invent these
    Column("started", BigInteger, nullable=False),  # all sessions; of a backend's, every request is one
    # How they ended. These exclude one another; a session that goes on well is in none of them.
    Column("exited", BigInteger, nullable=False),  # well
    Column("errored", BigInteger, nullable=False),  # with errors, but lived on
    Column("unhandled", BigInteger, nullable=False),  # with an error that nobody caught, but lived on
    Column("crashed", BigInteger, nullable=False),
    Column("abnormal", BigInteger, nullable=False),  # killed, hung
)

session_state = Table(
    "session_state",
    metadata,
    _project(),
    Column("sid", LargeBinary, primary_key=True),  # 16 bytes; individual sessions only
    Column("sequence", BigInteger, nullable=False),  # of the newest message
    Column("is_started", Boolean, nullable=False),  # whether `started` counts it
    Column(
        "status", Text, nullable=False
    ),  # as its newest message says: ok | exited | errored | unhandled | crashed | abnormal
    Column("ending", Text, nullable=False),  # the column of session_count that counts it, "" for none yet
    Column("counted_us", BigInteger, nullable=False),  # receipt of what `ending` was counted for
    Column("environment", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("key_kind", Text, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
)

# --- what belongs to an event: written by digest -----------------------------------------------------------------------

feedback = Table(
    "feedback",
    metadata,
    _project(),
    Column(
        "id", LargeBinary, primary_key=True
    ),  # 16 bytes: its own event id, or for a user report a hash of the event's
    Column("event_id", LargeBinary),  # what it is about, 16 bytes; it may come before that event, NULL = about none
    Column("issue_id", Text, nullable=False),  # "" until that event is here
    Column("received_us", BigInteger, nullable=False),
    Column("key_kind", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),  # as the person gave it, to be answered; else a hash (setting keep_contact)
    Column("message", Text, nullable=False),  # scrubbed
    Column("url", Text, nullable=False),  # scrubbed
    Index("ix_feedback_event", "project_id", "event_id"),
    Index("ix_feedback_issue", "project_id", "issue_id", "received_us"),
)

attachment = Table(
    "attachment",
    metadata,
    _project(),
    Column("event_id", LargeBinary, primary_key=True),  # 16 bytes; of an event or a feedback
    Column("id", LargeBinary, primary_key=True),  # 16 bytes: hash of name and content, so that a resend changes nothing
    Column("received_us", BigInteger, nullable=False),
    Column("filename", Text, nullable=False),  # scrubbed; a label, never a path
    Column("content_type", Text, nullable=False),  # as the client says; never sent to a browser
    Column("byte_count", BigInteger, nullable=False),  # as it came
    Column("is_scrubbed", Boolean, nullable=False),  # texts are, other bytes cannot be
    Column("body", LargeBinary, nullable=False),  # as in event
    Index("ix_attachment_received", "project_id", "received_us"),
)

# --- what alert rules look at, kept so that a rule can be replayed: written by digest and alerts ----------------------

observation = Table(
    "observation",
    metadata,
    _project(),
    Column("tick_us", BigInteger, primary_key=True),  # end of the ten seconds in which it was received
    Column("source", Text, primary_key=True),  # requests | sessions | transactions | events
    Column("environment", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),  # sums by route or kind of event, as store/observations.py packs them
    Index("ix_observation_tick", "tick_us"),
)

service_seen = Table(
    "service_seen",
    metadata,
    Column("id", _BigId, primary_key=True, autoincrement=True),
    Column("project_id", Integer, ForeignKey("project.id", ondelete="CASCADE"), nullable=False),
    Column("environment", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),  # from then on it stood so
    Column("body", Text, nullable=False),  # JSON: ServiceSeen of core/failure_run.py
    Index("ix_service_seen_at", "at_us"),
    Index("ix_service_seen_latest", "project_id", "environment", "id"),
    sqlite_autoincrement=True,
)

judging = Table(  # one row
    "judging",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1
    Column("judge", Text, nullable=False),  # random, of the worker that judges
    Column("tick_us", BigInteger, nullable=False),  # the last tick judged; what comes now counts in a later one
)

pause = Table(
    "pause",
    metadata,
    Column("from_us", BigInteger, primary_key=True, autoincrement=False),  # the last tick judged before
    Column("until_us", BigInteger, nullable=False),  # the first tick judged after; those between were not
)

rule = Table(
    "rule",
    metadata,
    _project(),
    Column("name", Text, primary_key=True),
    Column("document", Text, nullable=False),  # TOML, as written: one rule without its [[rule]]
    Column("updated_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # account e-mail, or "cli"
)

# --- alerts: written by alerts and notify -----------------------------------------------------------------------------

rule_state = Table(
    "rule_state",
    metadata,
    _project(),
    Column("rule", Text, primary_key=True),  # name in the rules file
    Column("labels", Text, primary_key=True),  # JSON object, sorted keys: what this instance of the rule is about
    Column("state", Text, nullable=False),  # ok | no_data | pending | firing | recovering
    Column("since_us", BigInteger, nullable=False),
    Column("last_true_us", BigInteger, nullable=False),  # when the condition held last
    Column("tier", Integer, nullable=False, server_default="0"),  # the highest reached: 0 the rule, 1 its first step
    Column("evaluated_us", BigInteger, nullable=False),
    Column("incident_id", Text),  # of the open incident
    Column("explanation", Text, nullable=False),  # JSON, of the latest evaluation
)

evaluation = Table(
    "evaluation",
    metadata,
    Column("id", _BigId, primary_key=True, autoincrement=True),
    Column("project_id", Integer, ForeignKey("project.id", ondelete="CASCADE"), nullable=False),
    Column("rule", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("changed", Boolean, nullable=False),
    Column("explanation", Text, nullable=False),  # JSON
    Index("ix_evaluation_rule", "project_id", "rule", "labels", "id"),
    sqlite_autoincrement=True,
)

incident = Table(
    "incident",
    metadata,
    _project(),
    Column("id", Text, primary_key=True),  # opaque; PagerDuty's dedup key
    Column("rule", Text, nullable=False),
    Column("condition", Text, nullable=False),  # kind of the rule's condition; storm: a digest of others
    Column("labels", Text, nullable=False),
    Column("severity", Text, nullable=False),  # warning | high | critical: the highest it had
    Column("title", Text, nullable=False),
    Column("issue_id", Text),  # for incidents about one issue
    Column("environment", Text, nullable=False),
    Column("domain", Text, nullable=False),  # of the event that opened it, "" for others
    Column("release", Text, nullable=False),  # of the event that opened it, "" for others
    Column("culprit", Text, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("closed_reason", Text, nullable=False, server_default=""),
    Column("closed_by", Text, nullable=False, server_default=""),  # account e-mail, "" when the rule did
    Column("acknowledged_us", BigInteger),
    Column("acknowledged_by", Text, nullable=False, server_default=""),
    Column("cause_us", BigInteger, nullable=False),  # receipt of what opened it: the start of the alert delay
    Column("cause_issue_id", Text),  # the new issue that likely caused it
    Column("explanation", Text, nullable=False),  # JSON
    Column("repeat_us", BigInteger, nullable=False),  # after so long "still open" is told; 0: never
    Column("cooldown_us", BigInteger, nullable=False),  # so long after its predecessor's end it is not told
    Column("aftermath_us", BigInteger, nullable=False),  # so long after an outage's end it may be its consequence
    Column("held", Text, nullable=False, server_default=""),  # why nobody is told at present, of core/suppression.py
    Column("held_by", Text, nullable=False, server_default=""),  # id of the silence or incident that is the reason
    Column("told_us", BigInteger),  # when somebody was told of news last; a digest that waits: when it is to be told
    Column("digest_id", Text, nullable=False, server_default=""),  # the digest that tells of it together with others
    Column(
        "key_ids", Text, nullable=False, server_default="{}"
    ),  # JSON {channel: id of the key it began with}; by notify
    Index("ix_incident_open", "project_id", "closed_us", "opened_us"),
    Index("ix_incident_rule", "project_id", "rule", "opened_us"),
    Index("ix_incident_digest", "project_id", "digest_id"),
)

incident_change = Table(
    "incident_change",
    metadata,
    Column("id", _BigId, primary_key=True, autoincrement=True),  # order of happening
    Column("project_id", Integer, ForeignKey("project.id", ondelete="CASCADE"), nullable=False),
    Column("incident_id", Text, nullable=False),
    Column(
        "kind", Text, nullable=False
    ),  # opened | upgraded | acknowledged | suppressed | released | attached | closed | reopened
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # account e-mail, or "" for the collector
    Column("because", Text, nullable=False),
    Column("reason", Text, nullable=False),  # of a suppression: of core/suppression.py; else ""
    Column(
        "claimed_us", BigInteger
    ),  # when alerts told of it; NULL = waiting: a person's, made on a page or by command
    Index("ix_incident_change_incident", "project_id", "incident_id", "id"),
    Index("ix_incident_change_unclaimed", "claimed_us", "id"),
    sqlite_autoincrement=True,
)

silence = Table(
    "silence",
    metadata,
    Column("id", Text, primary_key=True),  # opaque
    Column("kind", Text, nullable=False),  # silence | maintenance
    Column("matchers", Text, nullable=False),  # JSON {name: value}; the project is one of them
    Column("starts_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),  # of the first window when it is weekly
    Column("weekly", Boolean, nullable=False),
    Column("zone", Text, nullable=False),  # IANA time zone of a weekly window
    Column("author", Text, nullable=False),  # account e-mail, or who ran the command
    Column("comment", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),  # when somebody ended it
    Column("ended_by", Text, nullable=False, server_default=""),
)

notification = Table(
    "notification",
    metadata,
    _project(),
    Column("id", Text, primary_key=True),  # opaque; idempotency id, the same on every try
    Column("incident_id", Text, nullable=False),  # "" for tests and for what a budget held back
    Column("sequence", Integer, nullable=False),  # order within the incident and channel
    Column("channel", Text, nullable=False),  # name in the rules file
    Column("reason", Text, nullable=False),  # of core/notification.py
    Column("state", Text, nullable=False),  # queued | delivered | failed | held (by the budget) | digested
    Column("content", Text, nullable=False),  # JSON: what to tell, already scrubbed and bounded
    Column("created_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("answer", Text, nullable=False, server_default=""),  # what came back when it was delivered, in a few words
    Column("delivered_us", BigInteger),
    Column("handed_over_us", BigInteger),  # when another channel was told in its stead
    Column("stands_in_for", Text, nullable=False, server_default=""),  # the channel that did not take it
    Index("ix_notification_due", "state", "due_us"),
    Index("ix_notification_incident", "project_id", "incident_id"),
    Index("ix_notification_channel", "channel", "delivered_us"),
    Index("ix_notification_created", "created_us"),
)

channel_state = Table(
    "channel_state",
    metadata,
    Column("channel", Text, primary_key=True),  # name in the rules file
    Column("failures", Integer, nullable=False),  # in a row
    Column("failing_since_us", BigInteger),  # NULL while it works
    Column("is_refusing", Boolean, nullable=False),  # the latest failure was one that trying again cannot mend
    Column("closed_until_us", BigInteger),  # until then it is left alone
    Column("last_error", Text, nullable=False),
    Column("delivered_us", BigInteger),  # its latest success
    Column("tried_us", BigInteger),  # its latest success or failure
)
