-- Jobs that recur. Few rows, read once a second by way of `schedules_due` and written at each firing and each change.
CREATE TABLE spool.schedules (
    id         uuid NOT NULL,
    revision   bigint NOT NULL,
    created_at bigint NOT NULL,
    next_at    bigint,
    last_at    bigint,
    starts_at  bigint,
    ends_at    bigint,
    last_job   uuid,
    paused     boolean NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    name       text,
    cron       text NOT NULL,
    timezone   text NOT NULL,
    catch_up   text NOT NULL,
    job        text NOT NULL,
    refusal    text,
    CONSTRAINT schedules_pkey PRIMARY KEY (id),
    CONSTRAINT schedules_catch_up CHECK (catch_up IN ('skip', 'latest', 'all')),
    CONSTRAINT schedules_paused_is_not_due CHECK (NOT paused OR next_at IS NULL)
) WITH (fillfactor = 50);
CREATE INDEX schedules_due ON spool.schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_of_tenant ON spool.schedules (tenant, id);
