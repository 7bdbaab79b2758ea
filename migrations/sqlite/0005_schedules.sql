-- Jobs that recur.
CREATE TABLE schedules (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant     TEXT    NOT NULL,
    name       TEXT,
    cron       TEXT    NOT NULL,
    timezone   TEXT    NOT NULL,
    catch_up   TEXT    NOT NULL CHECK (catch_up IN ('skip', 'latest', 'all')),
    starts_at  INTEGER,
    ends_at    INTEGER,
    paused     INTEGER NOT NULL,
    -- What a client would post, as JSON.
    job        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    -- Grows with every write of the row.
    revision   INTEGER NOT NULL,
    next_at    INTEGER,
    last_at    INTEGER,
    last_job   BLOB,
    -- {at, error}: the latest firing that came to no job.
    refusal    TEXT,
    CHECK (NOT paused OR next_at IS NULL)
) WITHOUT ROWID;

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_of_tenant ON schedules (tenant, id);
