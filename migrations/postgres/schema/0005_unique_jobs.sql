-- The newest job of each unique key. A row is kept beside its job, not in it, so that jobs that are
-- not unique, which are nearly all, pay nothing. One whose job is gone does not count.
CREATE TABLE spool.unique_jobs (
    job         uuid NOT NULL,
    accepted_at bigint NOT NULL,
    tenant      text COLLATE "C" NOT NULL,
    key         bytea NOT NULL,
    CONSTRAINT unique_jobs_pkey PRIMARY KEY (tenant, key)
);
CREATE INDEX unique_jobs_of_job ON spool.unique_jobs (job);

-- A new job that is the same as the newest one of its key while that is open, or has one of these
-- statuses, and was accepted within the period, if there is one.
CREATE TYPE spool.unique_job AS (
    job uuid, tenant text, key bytea, period_ms bigint, statuses text[]
);
