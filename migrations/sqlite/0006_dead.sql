-- What failed for good, by the time of its job.
CREATE INDEX tasks_dead ON tasks (tenant, id) WHERE state = 'failed';
