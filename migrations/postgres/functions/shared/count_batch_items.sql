-- Adds to the counters of batches, locking each in the order of ids, and returns the batches whose
-- rest is to be cancelled.
CREATE OR REPLACE FUNCTION spool.count_batch_items(batch_ids uuid[], good integer[], bad integer[],
    at bigint) RETURNS uuid[] LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    change record;
    stopped boolean;
    batches_to_stop uuid[] := '{}';
BEGIN
    FOR change IN
        SELECT u.batch, sum(u.good)::integer AS good, sum(u.bad)::integer AS bad
        FROM unnest(batch_ids, good, bad) u (batch, good, bad) GROUP BY u.batch ORDER BY u.batch
    LOOP
        UPDATE spool.batches b SET
            fulfilled = b.fulfilled + change.good,
            rejected = b.rejected + change.bad,
            settled_at = CASE
                WHEN b.fulfilled + change.good + b.rejected + change.bad = b.total THEN at END,
            stopping = b.stop_on_error AND (b.stopping OR change.bad > 0)
                AND b.fulfilled + change.good + b.rejected + change.bad < b.total
        WHERE b.id = change.batch RETURNING b.stopping INTO stopped;
        IF stopped THEN
            batches_to_stop := batches_to_stop || change.batch;
        END IF;
    END LOOP;
    RETURN batches_to_stop;
END $$;
