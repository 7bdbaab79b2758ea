-- The pauses between attempts that the caller of a job set, as JSON. A row is kept beside its job,
-- not in it, so that jobs without, which are most, pay nothing. If it is missing, the pauses are
-- those of the kind.
CREATE TABLE spool.retry_policies (
    job       uuid NOT NULL,
    stored_at bigint NOT NULL,
    policy    text NOT NULL,
    CONSTRAINT retry_policies_pkey PRIMARY KEY (job)
);
CREATE INDEX retry_policies_by_age ON spool.retry_policies (stored_at);
