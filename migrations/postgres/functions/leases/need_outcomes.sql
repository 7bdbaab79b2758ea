-- The outputs and errors of needs.
CREATE OR REPLACE FUNCTION spool.need_outcomes(need_ids uuid[]) RETURNS TABLE (id uuid, name text,
    output text, error text) LANGUAGE sql
{{PLANNER_SETTINGS}} AS $$
    SELECT h.id, h.name, h.output, h.error FROM spool.history h WHERE h.id = ANY (need_ids)
$$;
