-- The kinds that a worker runs: a JSON object of the newest version of each that it knows. NULL for
-- a worker that does not say: it is taken to run any.
ALTER TABLE workers ADD COLUMN kinds TEXT;
