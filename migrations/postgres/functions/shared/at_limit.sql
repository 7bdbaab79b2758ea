-- Returns whether a batch has as many tasks queued or running as it may.
CREATE OR REPLACE FUNCTION spool.at_limit(batch_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT b.max_concurrent <= (SELECT count(*) FROM spool.tasks t WHERE t.limited_batch = batch_id
        AND t.phase = 2)
    FROM spool.batches b WHERE b.id = batch_id
$$;
