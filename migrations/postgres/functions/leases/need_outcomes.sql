-- The outputs and errors of needs.
CREATE OR REPLACE FUNCTION spool.need_outcomes(need_ids uuid[]) RETURNS TABLE (id uuid, name text,
    output text, error text) LANGUAGE sql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
    SELECT h.id, h.name, h.output, h.error FROM spool.history h WHERE h.id = ANY (need_ids)
$$;
