-- Records every change of a row, in a schema of the test. The functions of the store are unchanged,
-- except that those which a worker calls in its own name first record the caller and its attempts.

CREATE SCHEMA audit;
CREATE TABLE audit.inserts (task uuid NOT NULL);
CREATE TABLE audit.claims (task uuid NOT NULL, fence bigint NOT NULL, worker uuid NOT NULL);
CREATE TABLE audit.settles (task uuid NOT NULL, fence bigint NOT NULL, state text NOT NULL);
CREATE TABLE audit.losses (task uuid NOT NULL, fence bigint NOT NULL);
CREATE TABLE audit.violations (
    at timestamptz NOT NULL DEFAULT clock_timestamp(), task uuid, what text NOT NULL
);

-- Records the caller, and the fence that it states for each task, until the end of the transaction.
CREATE FUNCTION audit.called(worker_id uuid, task_ids uuid[], fences bigint[]) RETURNS void
LANGUAGE sql AS $$
    SELECT set_config('audit.worker', coalesce(worker_id::text, ''), true),
           set_config('audit.fences', coalesce((
               SELECT json_object_agg(t, f) FROM unnest(task_ids, fences) u (t, f)
           )::text, '{}'), true)
$$;

CREATE FUNCTION audit.violated(task uuid, what text) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO audit.violations (task, what) VALUES (task, what) $$;

-- An attempt is ended by the worker that holds its lease and states its fence, or by the sweep
-- after the lease has expired.
CREATE FUNCTION audit.on_end(was spool.tasks) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    caller text := coalesce(current_setting('audit.worker', true), '');
    fences json := nullif(current_setting('audit.fences', true), '')::json;
    stated bigint := (fences ->> was.id::text)::bigint;
BEGIN
    IF caller = '' THEN
        IF was.lease_until >= spool.now_ms() THEN
            PERFORM audit.violated(was.id, 'a live lease was ended without a caller');
        END IF;
    ELSIF caller <> was.worker::text OR stated IS DISTINCT FROM was.fence THEN
        PERFORM audit.violated(was.id, format(
            'an attempt of %s with fence %s was ended by %s with fence %s',
            was.worker, was.fence, caller, stated));
    END IF;
END $$;

CREATE FUNCTION audit.on_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit.inserts VALUES (NEW.id);
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.state = 'running' AND OLD.state <> 'running' THEN
        IF NEW.fence <> OLD.fence + 1 THEN
            PERFORM audit.violated(NEW.id, format(
                'a claim left the fence at %s after %s', NEW.fence, OLD.fence));
        END IF;
        IF OLD.state <> 'queued' THEN
            PERFORM audit.violated(NEW.id, format('a task that was %s was claimed', OLD.state));
        END IF;
        INSERT INTO audit.claims VALUES (NEW.id, NEW.fence, NEW.worker);
    ELSIF TG_OP = 'UPDATE'
        AND (NEW.fence <> OLD.fence OR NEW.state = 'running' AND NEW.worker <> OLD.worker) THEN
        PERFORM audit.violated(NEW.id, 'fence or worker changed without a claim');
    END IF;
    IF OLD.state = 'running' AND (TG_OP = 'DELETE' OR NEW.state <> 'running') THEN
        PERFORM audit.on_end(OLD);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.losses > OLD.losses THEN
        INSERT INTO audit.losses VALUES (NEW.id, OLD.fence);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON spool.tasks
    FOR EACH ROW EXECUTE FUNCTION audit.on_task();

-- A limited batch never has more queued and running tasks than its limit.
CREATE FUNCTION audit.on_queued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM spool.tasks t
        WHERE t.limited_batch = NEW.limited_batch AND t.phase = 2)
        > (SELECT b.max_concurrent FROM spool.batches b WHERE b.id = NEW.limited_batch) THEN
        PERFORM audit.violated(NEW.id, 'a batch has more tasks under way than its limit');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_limit AFTER UPDATE OF phase ON spool.tasks FOR EACH ROW
    WHEN (NEW.limited_batch IS NOT NULL AND NEW.phase = 2 AND OLD.phase <> 2)
    EXECUTE FUNCTION audit.on_queued();

CREATE FUNCTION audit.on_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.settles VALUES (NEW.id, NEW.fence, NEW.state::text);
    IF NEW.state = 'succeeded' AND NOT NEW.cached
        AND NOT EXISTS (
            SELECT FROM audit.claims c
            WHERE c.task = NEW.id AND c.fence = NEW.fence AND c.worker = NEW.worker) THEN
        PERFORM audit.violated(NEW.id, 'a task succeeded that was not claimed with this fence');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON spool.history
    FOR EACH ROW EXECUTE FUNCTION audit.on_history();
CREATE INDEX ON audit.claims (task, fence);

-- Makes every function that a worker calls in its own name record its caller first.
DO $$
DECLARE
    f record;
    attempts text;
    audited text;
BEGIN
    FOR f IN SELECT p.oid::regprocedure AS name, pg_get_functiondef(p.oid) AS text,
                 p.proargnames AS arguments
             FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
             WHERE p.pronamespace = 'spool'::regnamespace AND l.lanname = 'plpgsql'
                 AND (p.proargnames @> ARRAY['worker_id', 'task_ids', 'a_fences']
                     OR p.proargnames @> ARRAY['worker_id', 'settlements'])
    LOOP
        attempts := CASE WHEN 'settlements' = ANY (f.arguments)
            THEN 'ARRAY(SELECT s.task FROM unnest(settlements) s), '
                'ARRAY(SELECT s.fence FROM unnest(settlements) s)'
            ELSE 'task_ids, a_fences' END;
        audited := regexp_replace(f.text, E'\nBEGIN\n',
            format(E'\nBEGIN\n    PERFORM audit.called(worker_id, %s);\n', attempts));
        IF audited = f.text THEN
            RAISE EXCEPTION '% has no BEGIN on a line of its own', f.name;
        END IF;
        EXECUTE audited;
    END LOOP;
END $$;
