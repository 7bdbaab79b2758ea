-- The newest job of each unique key. A row whose job is gone does not count.
CREATE TABLE unique_jobs (
    tenant      TEXT    NOT NULL,
    key         BLOB    NOT NULL,
    job         BLOB    NOT NULL,
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE INDEX unique_jobs_of_job ON unique_jobs (job);
