"""The queue, the ledger, and who is who: every table of the product in its lasting shape."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HOT = ("messages", "callbacks", "senders", "attempts")


def upgrade() -> None:
    op.create_table(
        "acceptances",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.String(length=22), server_default="", nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("inviter", sa.String(length=255), server_default="", nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=32), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acceptances")),
    )
    with op.batch_alter_table("acceptances", schema=None) as batch_op:
        batch_op.create_index("uq_acceptances_app_id_invitee", ["app_id", "person"], unique=True)

    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("company", sa.String(length=200), server_default="", nullable=False),
        sa.Column("email", sa.String(length=254), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "attempts",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(length=32), server_default="", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("fate", sa.String(length=16), server_default="", nullable=False),
        sa.Column("ref", sa.String(length=255), server_default="", nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.Column("ask_at", sa.BigInteger(), nullable=True),
        sa.Column("asks", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("message_id", "generation", name=op.f("pk_attempts")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_attempts_ask",
            ["connection_id", "ask_at"],
            unique=False,
            sqlite_where=sa.text("ask_at is not null"),
            postgresql_where=sa.text("ask_at is not null"),
        )
        batch_op.create_index(
            "ix_attempts_ref",
            ["connection_id", "ref"],
            unique=False,
            sqlite_where=sa.text("ref <> ''"),
            postgresql_where=sa.text("ref <> ''"),
        )

    op.create_table(
        "callback_tries",
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("http", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "kind", "generation", name=op.f("pk_callback_tries")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "callbacks",
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="queued", nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("first_try_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "kind", name=op.f("pk_callbacks")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("callbacks", schema=None) as batch_op:
        batch_op.create_index(
            "ix_callbacks_due",
            ["app_id", "due_at", "subject_id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )
        batch_op.create_index(
            "ix_callbacks_failed",
            ["app_id", "ended_at", "subject_id"],
            unique=False,
            sqlite_where=sa.text("state = 'failed'"),
            postgresql_where=sa.text("state = 'failed'"),
        )
        batch_op.create_index(
            "ix_callbacks_lease",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("state = 'claimed'"),
            postgresql_where=sa.text("state = 'claimed'"),
        )

    op.create_table(
        "clicks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("clicked_at", sa.BigInteger(), nullable=False),
        sa.Column("user_agent", sa.String(length=1024), server_default="", nullable=False),
        sa.Column("os", sa.String(length=16), server_default="", nullable=False),
        sa.Column("human", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clicks")),
    )
    with op.batch_alter_table("clicks", schema=None) as batch_op:
        batch_op.create_index("ix_clicks_clicked_at", ["clicked_at"], unique=False)
        batch_op.create_index("ix_clicks_message_id", ["message_id"], unique=False)

    op.create_table(
        "connections",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("carrier", sa.String(length=32), server_default="", nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("in_flight", sa.Integer(), nullable=False),
        sa.Column("receipt_seconds", sa.Integer(), nullable=False),
        sa.Column("acceptance_is_final", sa.Integer(), server_default="0", nullable=False),
        sa.Column("weight", sa.Float(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("stop_reason", sa.String(length=255), server_default="", nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("silent_at", sa.BigInteger(), nullable=True),
        sa.Column("silent_by", sa.BigInteger(), nullable=True),
        sa.Column("silence", sa.String(length=255), server_default="", nullable=False),
        sa.Column("unbound_at", sa.BigInteger(), nullable=True),
        sa.Column("unbound", sa.String(length=255), server_default="", nullable=False),
        sa.Column("hooks_at", sa.BigInteger(), nullable=True),
        sa.Column("hooks_refused_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("name", name=op.f("uq_connections_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "duplicate_slots",
        sa.Column("app_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person", sa.String(length=22), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "person", name=op.f("pk_duplicate_slots")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("duplicate_slots", schema=None) as batch_op:
        batch_op.create_index("ix_duplicate_slots_until_at", ["until_at"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=257), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=22), server_default="", nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency_keys")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index("ix_idempotency_keys_until_at", ["until_at"], unique=False)

    op.create_table(
        "installation",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.create_table(
        "lookup_days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_lookup_days")),
    )
    op.create_table(
        "lookups",
        sa.Column("person", sa.String(length=22), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_lookups")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("lookups", schema=None) as batch_op:
        batch_op.create_index("ix_lookups_planned_at", ["planned_at"], unique=False)

    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), server_default="invitation", nullable=False),
        sa.Column("channel", sa.String(length=8), server_default="sms", nullable=False),
        sa.Column("person", sa.String(length=22), server_default="", nullable=False),
        sa.Column("region", sa.String(length=3), server_default="", nullable=False),
        sa.Column("time_zone", sa.String(length=40), server_default="", nullable=False),
        sa.Column("state", sa.String(length=12), server_default="", nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.Column("admitted_code", sa.Integer(), nullable=False),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.Column("reopens_at", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("os", sa.String(length=16), server_default="", nullable=False),
        sa.Column("reference", sa.String(length=255), server_default="", nullable=False),
        sa.Column("inviter", sa.String(length=255), server_default="", nullable=False),
        sa.Column("inviter_name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("campaign", sa.String(length=255), server_default="", nullable=False),
        sa.Column("callback_url", sa.String(length=2048), server_default="", nullable=False),
        sa.Column("external_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("extra", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("hold", sa.String(length=64), server_default="", nullable=False),
        sa.Column("awaited", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("flow", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("clicked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index(
            "ix_messages_due",
            ["app_id", "region", "awaited", "flow", "due_at", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )
        batch_op.create_index(
            "ix_messages_awaiting",
            ["planned_at"],
            unique=False,
            sqlite_where=sa.text("state = 'queued' and awaited > 0"),
            postgresql_where=sa.text("state = 'queued' and awaited > 0"),
        )
        batch_op.create_index(
            "ix_messages_external",
            ["external_id"],
            unique=False,
            sqlite_where=sa.text("external_id <> ''"),
            postgresql_where=sa.text("external_id <> ''"),
        )
        batch_op.create_index(
            "ix_messages_lease",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("state in ('claimed', 'submitting')"),
            postgresql_where=sa.text("state in ('claimed', 'submitting')"),
        )
        batch_op.create_index(
            "ix_messages_person",
            ["person", "app_id"],
            unique=False,
            sqlite_where=sa.text("state in ('queued', 'claimed')"),
            postgresql_where=sa.text("state in ('queued', 'claimed')"),
        )
        batch_op.create_index(
            "ix_messages_reference",
            ["account_id", "reference", "id"],
            unique=False,
            sqlite_where=sa.text("reference <> ''"),
            postgresql_where=sa.text("reference <> ''"),
        )
        batch_op.create_index(
            "ix_messages_waiting",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state in ('submitted', 'in_doubt')"),
            postgresql_where=sa.text("state in ('submitted', 'in_doubt')"),
        )

    op.create_table(
        "node_leases",
        sa.Column("node", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=64), server_default="", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("minted_to", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_node_leases")),
    )
    op.create_table(
        "unusable",
        sa.Column("connection_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("worker_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "worker_id", name=op.f("pk_unusable")),
    )
    op.create_table(
        "bind_leases",
        sa.Column("connection_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "slot", name=op.f("pk_bind_leases")),
    )
    op.create_table(
        "optouts",
        sa.Column("person", sa.String(length=22), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=32), server_default="", nullable=False),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("sender_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("person", "scope", "scope_id", name=op.f("pk_optouts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "people",
        sa.Column("person", sa.String(length=22), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("line_type", sa.String(length=16), server_default="", nullable=False),
        sa.Column("line_type_at", sa.BigInteger(), nullable=True),
        sa.Column("line_type_from", sa.String(length=8), server_default="", nullable=False),
        sa.Column("os", sa.String(length=16), server_default="", nullable=False),
        sa.Column("os_at", sa.BigInteger(), nullable=True),
        sa.Column("os_from", sa.String(length=8), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_people")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), server_default="", nullable=False),
        sa.Column("ref", sa.String(length=255), server_default="", nullable=False),
        sa.Column("event", sa.String(length=12), server_default="", nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.Column("filtered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.create_index("ix_receipts_received_at", ["received_at"], unique=False)
        batch_op.create_index("ix_receipts_ref", ["connection_id", "ref"], unique=False)

    op.create_table(
        "replies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.String(length=255), server_default="", nullable=False),
        sa.Column("sender", sa.String(length=32), server_default="", nullable=False),
        sa.Column("sender_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("person", sa.String(length=22), server_default="", nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), server_default="", nullable=False),
        sa.Column("review", sa.String(length=64), server_default="", nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=True),
        sa.Column("said_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replies")),
    )
    with op.batch_alter_table("replies", schema=None) as batch_op:
        batch_op.create_index("ix_replies_person", ["person", "received_at"], unique=False)
        batch_op.create_index("ix_replies_received_at", ["received_at"], unique=False)
        batch_op.create_index(
            "ix_replies_review",
            ["id"],
            unique=False,
            sqlite_where=sa.text("review <> ''"),
            postgresql_where=sa.text("review <> ''"),
        )
        batch_op.create_index(
            "uq_replies_ref",
            ["connection_id", "ref"],
            unique=True,
            sqlite_where=sa.text("ref <> ''"),
            postgresql_where=sa.text("ref <> ''"),
        )

    op.create_table(
        "workers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=8), server_default="", nullable=False),
        sa.Column("host", sa.String(length=255), server_default="", nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "api_keys",
        sa.Column("api_key", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), server_default="", nullable=False),
        sa.Column("label", sa.String(length=100), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_api_keys_account_id_accounts")),
        sa.PrimaryKeyConstraint("api_key", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "apps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("callback_url", sa.String(length=2048), server_default="", nullable=False),
        sa.Column("callback_secret", sa.String(length=64), server_default="", nullable=False),
        sa.Column("callback_clicks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("callback_corrections", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hours", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("country", sa.String(length=2), server_default="US", nullable=False),
        sa.Column("country_from_sender", sa.Integer(), server_default="0", nullable=False),
        sa.Column("countries", sa.String(length=1024), server_default="all", nullable=False),
        sa.Column("network_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("accepted_url", sa.String(length=2048), server_default="", nullable=False),
        sa.Column("accepted_post_data", sa.Text(), server_default="", nullable=False),
        sa.Column("accepted_content_type", sa.String(length=64), server_default="", nullable=False),
        sa.Column("policy", sa.String(length=16), server_default="at_most_once", nullable=False),
        sa.Column("duplicate_seconds", sa.Integer(), nullable=False),
        sa.Column("most_segments", sa.Integer(), nullable=False),
        sa.Column("stop_text", sa.Text(), server_default="", nullable=False),
        sa.Column("start_text", sa.Text(), server_default="", nullable=False),
        sa.Column("help_text", sa.Text(), server_default="", nullable=False),
        sa.Column("weight", sa.Float(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_apps_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apps")),
    )
    with op.batch_alter_table("apps", schema=None) as batch_op:
        batch_op.create_index("uq_apps_account_id_app_id", ["account_id", "app_id"], unique=True)

    op.create_table(
        "senders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("number", sa.String(length=32), server_default="", nullable=False),
        sa.Column("kind", sa.String(length=16), server_default="", nullable=False),
        sa.Column("region", sa.String(length=3), server_default="", nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("mps", sa.Float(), nullable=False),
        sa.Column("daily_cap", sa.Integer(), nullable=True),
        sa.Column("weight", sa.Float(), server_default="1", nullable=False),
        sa.Column("free_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("day", sa.Integer(), server_default="0", nullable=False),
        sa.Column("used", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("load", sa.Float(), server_default="0", nullable=False),
        sa.Column("holder", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rest_until", sa.BigInteger(), nullable=True),
        sa.Column("rest_reason", sa.String(length=255), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_senders_connection_id_connections")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_senders")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("senders", schema=None) as batch_op:
        batch_op.create_index("uq_senders_number_connection_id", ["number", "connection_id"], unique=True)

    op.create_table(
        "endpoints",
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("rests", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rest_until", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_endpoints_app_id_apps")),
        sa.PrimaryKeyConstraint("app_id", name=op.f("pk_endpoints")),
    )
    op.create_table(
        "sender_apps",
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_sender_apps_app_id_apps")),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_sender_apps_sender_id_senders")),
        sa.PrimaryKeyConstraint("sender_id", "app_id", name=op.f("pk_sender_apps")),
    )
    op.create_table(
        "connection_health",
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("well_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_connection_health")),
    )
    op.create_table(
        "sender_health",
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("well_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("sender_id", name=op.f("pk_sender_health")),
    )
    op.create_table(
        "alarms",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("reason", sa.String(length=255), server_default="", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_alarms")),
    )
    op.create_table(
        "earlier_senders",
        sa.Column("person", sa.String(length=22), nullable=False),
        sa.Column("sender_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("app_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", "sender_id", "app_id", name=op.f("pk_earlier_senders")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("earlier_senders", schema=None) as batch_op:
        batch_op.create_index("ix_earlier_senders_used_at", ["used_at"], unique=False)

    op.create_table(
        "sticky_senders",
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.String(length=22), nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "person", name=op.f("pk_sticky_senders")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("sticky_senders", schema=None) as batch_op:
        batch_op.create_index("ix_sticky_senders_used_at", ["used_at"], unique=False)

    if op.get_bind().dialect.name == "postgresql":
        for table in HOT:  # rows change state several times: leave room on their page, and clean up early
            op.execute(
                f"alter table {table} set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, "
                "autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.02)"
            )


def downgrade() -> None:
    with op.batch_alter_table("sticky_senders", schema=None) as batch_op:
        batch_op.drop_index("ix_sticky_senders_used_at")

    op.drop_table("sticky_senders")
    op.drop_table("alarms")
    op.drop_table("sender_health")
    op.drop_table("connection_health")
    with op.batch_alter_table("earlier_senders", schema=None) as batch_op:
        batch_op.drop_index("ix_earlier_senders_used_at")

    op.drop_table("earlier_senders")
    op.drop_table("sender_apps")
    op.drop_table("endpoints")
    with op.batch_alter_table("senders", schema=None) as batch_op:
        batch_op.drop_index("uq_senders_number_connection_id")

    op.drop_table("senders")
    with op.batch_alter_table("apps", schema=None) as batch_op:
        batch_op.drop_index("uq_apps_account_id_app_id")

    op.drop_table("apps")
    op.drop_table("api_keys")
    op.drop_table("workers")
    with op.batch_alter_table("replies", schema=None) as batch_op:
        batch_op.drop_index("uq_replies_ref", sqlite_where=sa.text("ref <> ''"), postgresql_where=sa.text("ref <> ''"))
        batch_op.drop_index(
            "ix_replies_review", sqlite_where=sa.text("review <> ''"), postgresql_where=sa.text("review <> ''")
        )
        batch_op.drop_index("ix_replies_received_at")
        batch_op.drop_index("ix_replies_person")

    op.drop_table("replies")
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.drop_index("ix_receipts_ref")
        batch_op.drop_index("ix_receipts_received_at")

    op.drop_table("receipts")
    op.drop_table("people")
    op.drop_table("optouts")
    op.drop_table("bind_leases")
    op.drop_table("unusable")
    op.drop_table("node_leases")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_messages_waiting",
            sqlite_where=sa.text("state in ('submitted', 'in_doubt')"),
            postgresql_where=sa.text("state in ('submitted', 'in_doubt')"),
        )
        batch_op.drop_index(
            "ix_messages_reference",
            sqlite_where=sa.text("reference <> ''"),
            postgresql_where=sa.text("reference <> ''"),
        )
        batch_op.drop_index(
            "ix_messages_person",
            sqlite_where=sa.text("state in ('queued', 'claimed')"),
            postgresql_where=sa.text("state in ('queued', 'claimed')"),
        )
        batch_op.drop_index(
            "ix_messages_lease",
            sqlite_where=sa.text("state in ('claimed', 'submitting')"),
            postgresql_where=sa.text("state in ('claimed', 'submitting')"),
        )
        batch_op.drop_index(
            "ix_messages_external",
            sqlite_where=sa.text("external_id <> ''"),
            postgresql_where=sa.text("external_id <> ''"),
        )
        batch_op.drop_index(
            "ix_messages_awaiting",
            sqlite_where=sa.text("state = 'queued' and awaited > 0"),
            postgresql_where=sa.text("state = 'queued' and awaited > 0"),
        )
        batch_op.drop_index(
            "ix_messages_due", sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'")
        )

    op.drop_table("messages")
    with op.batch_alter_table("lookups", schema=None) as batch_op:
        batch_op.drop_index("ix_lookups_planned_at")

    op.drop_table("lookups")
    op.drop_table("lookup_days")
    op.drop_table("installation")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index("ix_idempotency_keys_until_at")

    op.drop_table("idempotency_keys")
    with op.batch_alter_table("duplicate_slots", schema=None) as batch_op:
        batch_op.drop_index("ix_duplicate_slots_until_at")

    op.drop_table("duplicate_slots")
    op.drop_table("connections")
    with op.batch_alter_table("clicks", schema=None) as batch_op:
        batch_op.drop_index("ix_clicks_message_id")
        batch_op.drop_index("ix_clicks_clicked_at")

    op.drop_table("clicks")
    with op.batch_alter_table("callbacks", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_callbacks_failed",
            sqlite_where=sa.text("state = 'failed'"),
            postgresql_where=sa.text("state = 'failed'"),
        )
        batch_op.drop_index(
            "ix_callbacks_lease",
            sqlite_where=sa.text("state = 'claimed'"),
            postgresql_where=sa.text("state = 'claimed'"),
        )
        batch_op.drop_index(
            "ix_callbacks_due", sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'")
        )

    op.drop_table("callbacks")
    op.drop_table("callback_tries")
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_attempts_ask",
            sqlite_where=sa.text("ask_at is not null"),
            postgresql_where=sa.text("ask_at is not null"),
        )
        batch_op.drop_index("ix_attempts_ref", sqlite_where=sa.text("ref <> ''"), postgresql_where=sa.text("ref <> ''"))

    op.drop_table("attempts")
    op.drop_table("accounts")
    with op.batch_alter_table("acceptances", schema=None) as batch_op:
        batch_op.drop_index("uq_acceptances_app_id_invitee")

    op.drop_table("acceptances")
