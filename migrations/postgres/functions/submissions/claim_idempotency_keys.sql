-- Takes idempotency keys, or reports what they were used for. The rows are sorted, so that two
-- calls with the same keys cannot deadlock.
CREATE OR REPLACE FUNCTION spool.claim_idempotency_keys(
    at bigint, calls spool.idempotent_call[], OUT replays text[], OUT stopped uuid[]
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    INSERT INTO spool.idempotency_keys AS i (tenant, key, fingerprint, target, expires_at, response)
    SELECT c.tenant, c.key, c.fingerprint, c.target, at + {{IDEMPOTENCY_KEPT_MS}}, c.response
    FROM unnest(calls) c ORDER BY c.tenant COLLATE "C", c.key COLLATE "C"
    ON CONFLICT (tenant, key) DO UPDATE SET fingerprint = excluded.fingerprint,
        target = excluded.target, expires_at = excluded.expires_at, response = excluded.response
        WHERE i.expires_at <= at;
    SELECT array_agg(CASE WHEN i.target = c.target THEN NULL
            WHEN i.fingerprint = c.fingerprint THEN '=' || i.response ELSE '!' END
            ORDER BY c.ordinality),
        coalesce(array_agg(c.target) FILTER (WHERE i.target <> c.target), '{}')
    INTO replays, stopped
    FROM unnest(calls) WITH ORDINALITY c CROSS JOIN LATERAL (
        SELECT x.* FROM spool.idempotency_keys x
        WHERE x.tenant = c.tenant AND x.key = c.key OFFSET 0) i;
END $$;
