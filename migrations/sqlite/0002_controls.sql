-- What operators set: limits and pauses. Few rows, looked at by each dispatch.

CREATE TABLE limits (
    scope TEXT    NOT NULL CHECK (scope IN ('tenant', 'kind', 'provider')),
    -- A tenant ('*': each that has no limit of its own), a kind, a provider.
    name  TEXT    NOT NULL,
    most  INTEGER NOT NULL CHECK (most >= 0),
    -- A JSON list: the kinds that a limit of a kind or a provider counts.
    kinds TEXT    NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE pauses (
    scope TEXT    NOT NULL CHECK (scope IN ('queue', 'tenant')),
    name  TEXT    NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

-- What is ready of a tenant and kind is a line of its own, which is passed over whole where a limit or a pause holds it back.
DROP INDEX tasks_to_dispatch;
CREATE INDEX tasks_to_dispatch ON tasks (queue, priority, tenant, kind, lane, run_at, job, place) WHERE state = 'ready';

-- The latest attempts that succeeded, for the median of what they took.
CREATE INDEX tasks_ended ON tasks (queue, finished_at) WHERE state = 'succeeded' AND NOT cached;
