-- Makes tasks ready that wait for no need. Tasks that share outputs get their key instead and wait
-- for a decision (`elect`).
CREATE OR REPLACE FUNCTION spool.make_ready(task_ids uuid[], at bigint, effects spool.effects)
    RETURNS spool.effects LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    more text[];
    keyed_tenants text[];
    keyed bytea[];
BEGIN
    WITH freed AS (
        UPDATE spool.tasks t SET
            key = k.key,
            state = (CASE WHEN k.key IS NULL THEN 'ready' ELSE 'waiting' END)::spool.task_state,
            phase = CASE WHEN k.key IS NOT NULL THEN 0 WHEN t.run_at > at THEN 3 ELSE 1 END
        FROM unnest(task_ids) u CROSS JOIN LATERAL (
            SELECT CASE
                WHEN w.input_key IS NULL THEN NULL
                WHEN coalesce(cardinality(w.needs), 0) = 0 THEN w.input_key
                -- A need that failed and was passed on as data has no output hash, and so the key
                -- is NULL.
                ELSE (SELECT CASE WHEN bool_and(h.output_hash IS NOT NULL)
                             THEN sha256(w.input_key || string_agg(h.output_hash, ''::bytea
                                 ORDER BY n.place)) END
                      FROM unnest(w.needs) WITH ORDINALITY n(need, place)
                      CROSS JOIN LATERAL (SELECT x.output_hash FROM spool.history x
                          WHERE x.id = n.need OFFSET 0) h)
                END AS key
            FROM spool.tasks w WHERE w.id = u OFFSET 0) k
        WHERE t.id = ANY (task_ids) AND t.id = u AND t.state = 'waiting' AND t.needs_left = 0
            AND (k.key IS NULL OR t.run_at <= at)
        RETURNING t.tenant, t.key, t.queue, t.phase)
    SELECT array_agg(DISTINCT f.queue::text) FILTER (WHERE f.phase = 1),
           array_agg(f.tenant) FILTER (WHERE f.key IS NOT NULL), array_agg(f.key)
               FILTER (WHERE f.key IS NOT NULL)
    INTO more, keyed_tenants, keyed FROM freed f;
    effects.ready_queues := effects.ready_queues || coalesce(more, '{}');
    effects.tenants := effects.tenants || coalesce(keyed_tenants, '{}');
    effects.keys := effects.keys || coalesce(keyed, '{}');
    RETURN effects;
END $$;
