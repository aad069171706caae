"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("email", name=op.f("uq_account_email")),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("keep_errors_days", sa.Integer(), nullable=False),
        sa.Column("keep_performance_days", sa.Integer(), nullable=False),
        sa.Column("issue_counter", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resolve_after_hours", sa.Integer(), server_default="0", nullable=False),
        sa.Column("grouping_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("previous_grouping_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
        sa.UniqueConstraint("slug", name=op.f("uq_project_slug")),
    )
    op.create_table(
        "spool_cursor",
        sa.Column("spool_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("spool_id", "lane", name=op.f("pk_spool_cursor")),
    )
    op.create_table(
        "change",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("claimed_us", sa.BigInteger(), nullable=True),
        sa.Column("is_evidence", sa.Boolean(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_change_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_change_issue", "change", ["project_id", "issue_id", "at_us"], unique=False)
    op.create_index("ix_change_unclaimed", "change", ["claimed_us", "id"], unique=False)
    op.create_table(
        "client_key",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("limits", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_client_key_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "public_key", name=op.f("pk_client_key")),
    )
    op.create_index("ix_client_key_public_key", "client_key", ["public_key"], unique=True)
    op.create_table(
        "evaluation",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_evaluation_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_evaluation_rule", "evaluation", ["project_id", "rule", "labels", "id"], unique=False)
    op.create_table(
        "event",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("received_day", sa.Integer(), nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("key_kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("user_key", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("repeat_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_event_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "received_day", "id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_issue_received", "event", ["project_id", "issue_id", "received_us"], unique=False)
    op.create_table(
        "event_base",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("received_day", sa.Integer(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_event_base_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "issue_id", "received_day", name=op.f("pk_event_base")),
    )
    op.create_table(
        "release",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_release_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("pk_release")),
    )
    op.create_index("ix_release_first_seen", "release", ["project_id", "first_seen_us"], unique=False)
    op.create_table(
        "fingerprint",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_fingerprint_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "hash", name=op.f("pk_fingerprint")),
    )
    op.create_index("ix_fingerprint_issue", "fingerprint", ["project_id", "issue_id"], unique=False)
    op.create_table(
        "incident",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("culprit", sa.Text(), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("closed_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("closed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("acknowledged_us", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), server_default="", nullable=False),
        sa.Column("cause_us", sa.BigInteger(), nullable=False),
        sa.Column("cause_issue_id", sa.Text(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("repeat_us", sa.BigInteger(), nullable=False),
        sa.Column("cooldown_us", sa.BigInteger(), nullable=False),
        sa.Column("aftermath_us", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.Text(), server_default="", nullable=False),
        sa.Column("held_by", sa.Text(), server_default="", nullable=False),
        sa.Column("told_us", sa.BigInteger(), nullable=True),
        sa.Column("digest_id", sa.Text(), server_default="", nullable=False),
        sa.Column("key_ids", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_incident_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_incident")),
    )
    op.create_index("ix_incident_digest", "incident", ["project_id", "digest_id"], unique=False)
    op.create_index("ix_incident_open", "incident", ["project_id", "closed_us", "opened_us"], unique=False)
    op.create_index("ix_incident_rule", "incident", ["project_id", "rule", "opened_us"], unique=False)
    op.create_table(
        "instance",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("server_name", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("last_report_us", sa.BigInteger(), nullable=False),
        sa.Column("last_request_us", sa.BigInteger(), nullable=True),
        sa.Column("last_success_us", sa.BigInteger(), nullable=True),
        sa.Column("failures_us", sa.Text(), nullable=False),
        sa.Column("failure_count", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_instance_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_instance")),
    )
    op.create_table(
        "issue",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("culprit", sa.Text(), nullable=False),
        sa.Column("title_folded", sa.Text(), server_default="", nullable=False),
        sa.Column("culprit_folded", sa.Text(), server_default="", nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("key_kind", sa.Text(), nullable=False),
        sa.Column("grouping", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), server_default="{}", nullable=False),
        sa.Column("first_release", sa.Text(), nullable=False),
        sa.Column("last_release", sa.Text(), server_default="", nullable=False),
        sa.Column("first_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("user_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_issue_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_issue")),
    )
    op.create_index("ix_issue_number", "issue", ["project_id", "number"], unique=True)
    op.create_index("ix_issue_text", "issue", ["project_id", "id", "title_folded", "culprit_folded"], unique=False)
    op.create_index("ix_issue_latest", "issue", ["last_seen_us", "id"], unique=False)
    op.create_index("ix_issue_seen", "issue", ["status", "last_seen_us", "id"], unique=False)
    op.create_index("ix_issue_status_seen", "issue", ["project_id", "status", "last_seen_us"], unique=False)
    op.create_table(
        "issue_tag",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_issue_tag_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "issue_id", "key", "value", name=op.f("pk_issue_tag")),
    )
    op.create_index("ix_issue_tag_value", "issue_tag", ["project_id", "key", "value", "issue_id"], unique=False)
    op.create_table(
        "issue_user",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("user_key", sa.Text(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_issue_user_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "issue_id", "user_key", name=op.f("pk_issue_user")),
    )
    op.create_index("ix_issue_user_key", "issue_user", ["project_id", "user_key", "issue_id"], unique=False)
    op.create_table(
        "notification",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("delivered_us", sa.BigInteger(), nullable=True),
        sa.Column("handed_over_us", sa.BigInteger(), nullable=True),
        sa.Column("stands_in_for", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_notification_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_notification")),
    )
    op.create_index("ix_notification_channel", "notification", ["channel", "delivered_us"], unique=False)
    op.create_index("ix_notification_created", "notification", ["created_us"], unique=False)
    op.create_index("ix_notification_due", "notification", ["state", "due_us"], unique=False)
    op.create_index("ix_notification_incident", "notification", ["project_id", "incident_id"], unique=False)
    op.create_table(
        "outcome",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("minute_us", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_outcome_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "minute_us", "category", "outcome", "reason", name=op.f("pk_outcome")),
    )
    op.create_table(
        "request_bucket",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("bucket_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_request_bucket_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "instance_id", "sequence", name=op.f("pk_request_bucket")),
    )
    op.create_table(
        "request_count",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("width_s", sa.Integer(), nullable=False),
        sa.Column("bucket_us", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("request_count", sa.BigInteger(), nullable=False),
        sa.Column("latency", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_request_count_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "project_id",
            "width_s",
            "bucket_us",
            "environment",
            "release",
            "method",
            "route",
            "status",
            name=op.f("pk_request_count"),
        ),
    )
    op.create_table(
        "rollup",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("width_s", sa.Integer(), nullable=False),
        sa.Column("bucket_us", sa.BigInteger(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_rollup_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(
            "project_id", "width_s", "bucket_us", "issue_id", "environment", "release", name=op.f("pk_rollup")
        ),
    )
    op.create_index("ix_rollup_issue", "rollup", ["project_id", "issue_id", "width_s", "bucket_us"], unique=False)
    op.create_table(
        "rule_state",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("last_true_us", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Integer(), server_default="0", nullable=False),
        sa.Column("evaluated_us", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_rule_state_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "rule", "labels", name=op.f("pk_rule_state")),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", BIG_ID, nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
    )
    op.create_table(
        "sign_in_link",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", BIG_ID, nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sign_in_link_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_link")),
    )
    op.create_table(
        "attachment",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("is_scrubbed", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_attachment_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "event_id", "id", name=op.f("pk_attachment")),
    )
    op.create_index("ix_attachment_received", "attachment", ["project_id", "received_us"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=True),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("key_kind", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_feedback_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_event", "feedback", ["project_id", "event_id"], unique=False)
    op.create_index("ix_feedback_issue", "feedback", ["project_id", "issue_id", "received_us"], unique=False)
    op.create_table(
        "deletion",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("done_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_deletion_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "issue_id", name=op.f("pk_deletion")),
    )
    op.create_table(
        "session_count",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("width_s", sa.Integer(), nullable=False),
        sa.Column("bucket_us", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("key_kind", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("exited", sa.BigInteger(), nullable=False),
        sa.Column("errored", sa.BigInteger(), nullable=False),
        sa.Column("unhandled", sa.BigInteger(), nullable=False),
        sa.Column("crashed", sa.BigInteger(), nullable=False),
        sa.Column("abnormal", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_session_count_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "project_id", "width_s", "bucket_us", "environment", "release", "key_kind", name=op.f("pk_session_count")
        ),
    )
    op.create_table(
        "session_state",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("sid", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("is_started", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.Column("counted_us", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("key_kind", sa.Text(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_session_state_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "sid", name=op.f("pk_session_state")),
    )
    op.create_table(
        "transaction_count",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("width_s", sa.Integer(), nullable=False),
        sa.Column("bucket_us", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("key_kind", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_failed", sa.Boolean(), nullable=False),
        sa.Column("transaction_count", sa.BigInteger(), nullable=False),
        sa.Column("sample_count", sa.BigInteger(), nullable=False),
        sa.Column("latency", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_transaction_count_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "project_id",
            "width_s",
            "bucket_us",
            "environment",
            "release",
            "key_kind",
            "op",
            "name",
            "is_failed",
            name=op.f("pk_transaction_count"),
        ),
    )
    op.create_table(
        "transaction_sample",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("hour_us", sa.BigInteger(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("key_kind", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_failed", sa.Boolean(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("span_count", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_transaction_sample_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_transaction_sample")),
    )
    op.create_index("ix_transaction_sample_name", "transaction_sample", ["project_id", "name", "hour_us"], unique=False)
    op.create_index("ix_transaction_sample_trace", "transaction_sample", ["project_id", "trace_id"], unique=False)
    op.create_table(
        "observation",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("tick_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_observation_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "project_id", "tick_us", "source", "environment", "release", name=op.f("pk_observation")
        ),
    )
    op.create_index("ix_observation_tick", "observation", ["tick_us"], unique=False)
    op.create_table(
        "service_seen",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_service_seen_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_seen")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_seen_at", "service_seen", ["at_us"], unique=False)
    op.create_index("ix_service_seen_latest", "service_seen", ["project_id", "environment", "id"], unique=False)
    op.create_table(
        "judging",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("judge", sa.Text(), nullable=False),
        sa.Column("tick_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judging")),
    )
    op.create_table(
        "pause",
        sa.Column("from_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("from_us", name=op.f("pk_pause")),
    )
    op.create_table(
        "rule",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_rule_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("pk_rule")),
    )
    op.create_table(
        "incident_change",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("claimed_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_incident_change_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_change_incident", "incident_change", ["project_id", "incident_id", "id"], unique=False)
    op.create_index("ix_incident_change_unclaimed", "incident_change", ["claimed_us", "id"], unique=False)
    op.create_table(
        "silence",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("matchers", sa.Text(), nullable=False),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("weekly", sa.Boolean(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silence")),
    )
    op.create_table(
        "channel_state",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since_us", sa.BigInteger(), nullable=True),
        sa.Column("is_refusing", sa.Boolean(), nullable=False),
        sa.Column("closed_until_us", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("delivered_us", sa.BigInteger(), nullable=True),
        sa.Column("tried_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_state")),
    )


def downgrade() -> None:
    op.drop_table("channel_state")
    op.drop_table("silence")
    op.drop_table("incident_change")
    op.drop_table("rule")
    op.drop_table("pause")
    op.drop_table("judging")
    op.drop_table("service_seen")
    op.drop_table("observation")
    op.drop_table("transaction_sample")
    op.drop_table("transaction_count")
    op.drop_table("session_state")
    op.drop_table("session_count")
    op.drop_table("deletion")
    op.drop_table("feedback")
    op.drop_table("attachment")
    op.drop_table("sign_in_link")
    op.drop_table("session")
    op.drop_table("rule_state")
    op.drop_table("rollup")
    op.drop_table("request_count")
    op.drop_table("request_bucket")
    op.drop_table("outcome")
    op.drop_table("notification")
    op.drop_table("issue_user")
    op.drop_table("issue_tag")
    op.drop_table("issue")
    op.drop_table("instance")
    op.drop_table("incident")
    op.drop_table("fingerprint")
    op.drop_table("release")
    op.drop_table("event_base")
    op.drop_table("event")
    op.drop_table("evaluation")
    op.drop_table("client_key")
    op.drop_table("change")
    op.drop_table("spool_cursor")
    op.drop_table("project")
    op.drop_table("account")
