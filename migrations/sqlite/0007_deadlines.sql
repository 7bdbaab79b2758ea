-- Until when the first tasks of a job that asked for it may wait for its start. A row goes at its time, whatever became of the task.
CREATE TABLE deadlines (
    task       BLOB    NOT NULL PRIMARY KEY,
    due_at     INTEGER NOT NULL,
    allowed_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX deadlines_due ON deadlines (due_at);
