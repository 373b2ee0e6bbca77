"""What may be forgotten, and when: bodies of provider events and attempts to deliver, none that is young."""

import sqlalchemy as sa
from alembic import op

from storage.isolation import RUNTIME

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Let a body be taken away if its hash stays, and a record of an attempt if it is old."""
    op.add_column("inbox", sa.Column("body_sha256", sa.String(64), nullable=True))
    op.alter_column("inbox", "body", nullable=True)
    op.execute("""
        CREATE FUNCTION refuse_other_evidence() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- Only now, as a trigger's condition would have both bodies unpacked at every change of the row.
            IF TG_OP = 'UPDATE' AND (OLD.body, OLD.body_sha256) IS NOT DISTINCT FROM (NEW.body, NEW.body_sha256)
                OR TG_OP = 'UPDATE' AND NEW.body IS NULL
                    AND NEW.body_sha256 = encode(sha256(OLD.body), 'hex')
                    AND OLD.state = 'PROCESSED' AND NEW.state = 'PROCESSED'
                    AND OLD.processed_at < now() - interval '90 days'
            THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'what a provider said stands: event %', NEW.id USING ERRCODE = 'restrict_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER inbox_body_stands BEFORE UPDATE OF body, body_sha256 ON inbox
        FOR EACH ROW EXECUTE FUNCTION refuse_other_evidence()
    """)
    op.execute("""
        CREATE TRIGGER inbox_body_is_given BEFORE INSERT ON inbox
        FOR EACH ROW WHEN (NEW.body IS NULL OR NEW.body_sha256 IS NOT NULL)
        EXECUTE FUNCTION refuse_other_evidence()
    """)
    op.execute("""
        CREATE FUNCTION refuse_to_forget() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a row of % is too young to be forgotten', TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER delivery_attempts_young BEFORE DELETE ON delivery_attempts
        FOR EACH ROW WHEN (OLD.at > now() - interval '30 days') EXECUTE FUNCTION refuse_to_forget()
    """)
    op.execute(f"GRANT DELETE ON delivery_attempts TO {RUNTIME}")
