-- The kinds that a worker runs, and the newest version of each that it knows, by position. NULL for
-- a worker that does not say: it is taken to run any.
ALTER TABLE spool.workers
    ADD COLUMN kinds text[] COLLATE "C",
    ADD COLUMN kind_versions integer[],
    ADD CONSTRAINT workers_kinds
        CHECK (cardinality(kinds) IS NOT DISTINCT FROM cardinality(kind_versions));
