-- Who names an artifact: jobs that are kept (by what their tasks made, and by `artifact://` in their input) and memos.
CREATE TABLE job_artifacts (
    hash BLOB NOT NULL,
    job  BLOB NOT NULL,
    PRIMARY KEY (hash, job)
) WITHOUT ROWID;
CREATE INDEX job_artifacts_of_job ON job_artifacts (job);

CREATE TABLE memo_artifacts (
    hash   BLOB NOT NULL,
    tenant TEXT NOT NULL,
    key    BLOB NOT NULL,
    PRIMARY KEY (hash, tenant, key)
) WITHOUT ROWID;
CREATE INDEX memo_artifacts_of_memo ON memo_artifacts (tenant, key);

-- Artifacts that nobody named when they were looked at, and since when.
CREATE TABLE unreferenced_artifacts (
    hash  BLOB    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TRIGGER task_names_artifacts AFTER UPDATE OF artifacts ON tasks WHEN NEW.artifacts <> '[]' BEGIN
    INSERT OR IGNORE INTO job_artifacts (hash, job)
    SELECT unhex(json_extract(value, '$.hash')), NEW.job FROM json_each(NEW.artifacts);
END;
CREATE TRIGGER cached_task_names_artifacts AFTER INSERT ON tasks WHEN NEW.artifacts <> '[]' BEGIN
    INSERT OR IGNORE INTO job_artifacts (hash, job)
    SELECT unhex(json_extract(value, '$.hash')), NEW.job FROM json_each(NEW.artifacts);
END;
-- Every text in the input that is an address, for those of jobs (a task's own input names what its job's tasks made).
CREATE TRIGGER input_names_artifacts AFTER INSERT ON inputs WHEN instr(NEW.input, 'artifact://') BEGIN
    INSERT OR IGNORE INTO job_artifacts (hash, job)
    SELECT unhex(substr(value, 12)), NEW.owner FROM json_tree(NEW.input)
    WHERE type = 'text' AND value LIKE 'artifact://%' AND length(value) = 75 AND unhex(substr(value, 12)) IS NOT NULL
        AND EXISTS (SELECT 1 FROM jobs WHERE id = NEW.owner);
END;
CREATE TRIGGER job_names_nothing AFTER DELETE ON jobs BEGIN
    DELETE FROM job_artifacts WHERE job = OLD.id;
END;
CREATE TRIGGER memo_names_artifacts AFTER INSERT ON memos WHEN NEW.artifacts <> '[]' BEGIN
    INSERT OR IGNORE INTO memo_artifacts (hash, tenant, key)
    SELECT unhex(json_extract(value, '$.hash')), NEW.tenant, NEW.key FROM json_each(NEW.artifacts);
END;
CREATE TRIGGER memo_renames_artifacts AFTER UPDATE OF artifacts ON memos WHEN NEW.artifacts <> OLD.artifacts BEGIN
    DELETE FROM memo_artifacts WHERE tenant = OLD.tenant AND key = OLD.key;
    INSERT OR IGNORE INTO memo_artifacts (hash, tenant, key)
    SELECT unhex(json_extract(value, '$.hash')), NEW.tenant, NEW.key FROM json_each(NEW.artifacts);
END;
CREATE TRIGGER memo_names_nothing AFTER DELETE ON memos WHEN OLD.artifacts <> '[]' BEGIN
    DELETE FROM memo_artifacts WHERE tenant = OLD.tenant AND key = OLD.key;
END;

-- What was stored before.
INSERT OR IGNORE INTO job_artifacts (hash, job)
SELECT unhex(json_extract(value, '$.hash')), tasks.job FROM tasks, json_each(tasks.artifacts) WHERE tasks.artifacts IS NOT NULL;
INSERT OR IGNORE INTO job_artifacts (hash, job)
SELECT unhex(substr(value, 12)), inputs.owner FROM inputs, json_tree(inputs.input)
WHERE instr(inputs.input, 'artifact://') AND type = 'text' AND value LIKE 'artifact://%' AND length(value) = 75
    AND unhex(substr(value, 12)) IS NOT NULL AND EXISTS (SELECT 1 FROM jobs WHERE id = inputs.owner);
INSERT OR IGNORE INTO memo_artifacts (hash, tenant, key)
SELECT unhex(json_extract(value, '$.hash')), memos.tenant, memos.key FROM memos, json_each(memos.artifacts);
