-- What was stored before 0023 names its artifacts too. Apart from it, so that nobody waits for the triggers' locks while this reads.
INSERT INTO spool.job_artifacts (hash, job)
SELECT h, x.job FROM spool.history x CROSS JOIN LATERAL spool.hashes_of(x.artifacts) h
WHERE x.artifacts IS NOT NULL AND EXISTS (SELECT FROM spool.jobs j WHERE j.id = x.job) ON CONFLICT DO NOTHING;
INSERT INTO spool.job_artifacts (hash, job)
SELECT decode(m[1], 'hex'), j.id FROM spool.jobs j CROSS JOIN LATERAL regexp_matches(j.input, 'artifact://([0-9a-f]{64})', 'g') m
WHERE strpos(j.input, 'artifact://') > 0 ON CONFLICT DO NOTHING;
INSERT INTO spool.memo_artifacts (hash, tenant, key)
SELECT h, x.tenant, x.key FROM spool.memos x CROSS JOIN LATERAL spool.hashes_of(x.artifacts) h WHERE x.artifacts IS NOT NULL
ON CONFLICT DO NOTHING;
