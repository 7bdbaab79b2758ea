-- Writes the memos of tasks that have just succeeded by a run of their own, in the order of their
-- keys.
CREATE OR REPLACE FUNCTION spool.store_memos(task_ids uuid[], task_keys bytea[], at bigint)
    RETURNS void LANGUAGE sql AS $$
    INSERT INTO spool.memos (tenant, key, output, output_hash, artifacts, created_at, used_at)
    SELECT h.tenant, u.key, h.output, h.output_hash, h.artifacts, at, at
    FROM unnest(task_ids, task_keys) u (id, key) CROSS JOIN LATERAL (
        SELECT x.tenant, x.output, x.output_hash, x.artifacts FROM spool.history x WHERE x.id = u.id
            AND x.state = 'succeeded' OFFSET 0) h
    WHERE u.key IS NOT NULL ORDER BY h.tenant, u.key
    ON CONFLICT (tenant, key) DO UPDATE SET
        output = excluded.output, output_hash = excluded.output_hash,
            artifacts = excluded.artifacts, created_at = at, used_at = at
$$;
