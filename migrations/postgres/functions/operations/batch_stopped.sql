-- Notes that the rest of a stopping batch is cancelled.
CREATE OR REPLACE FUNCTION spool.batch_stopped(batch_id uuid) RETURNS void LANGUAGE sql AS
    $$ UPDATE spool.batches b SET stopping = false WHERE b.id = batch_id $$;
