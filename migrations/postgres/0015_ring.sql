-- ready -> queued, by lines.

-- Chooses up to `room` tasks of one band in turns, one of each tenant after the other, beginning after the tenant that was served last. Of
-- each line only as many rows are read as it could use, and none of a line that its limits close: a backlog is never walked through.
-- Tells besides whether one was left behind for want of room.
CREATE FUNCTION spool.choose(
    c spool.queue, band smallint, room integer, lines spool.line[], INOUT left_in integer[], OUT chosen uuid[], OUT left_behind boolean)
LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
    last_served text;
    next_served text;
    in_turn text[];
    seen integer := 0;
    mine spool.line[];
    share integer;
    gated boolean;
    left_now integer[];
    now_chosen uuid[];
    some_have_more boolean;
    wanted integer;
    one record;
BEGIN
    SELECT s.number, s.tenant INTO before, last_served FROM spool.served s
    WHERE s.queue = c AND s.priority = band ORDER BY s.number DESC LIMIT 1;
    last_served := coalesce(last_served, '');
    in_turn := ARRAY(SELECT l.tenant FROM unnest(lines) l WHERE l.priority = band AND spool.is_open(l, left_in)
                     GROUP BY l.tenant ORDER BY l.tenant <= last_served, l.tenant);
    chosen := '{}';
    left_behind := false;
    -- As many tenants at a time as there is room for. Some of their lines may turn out to be empty: then it is the turn of those behind.
    WHILE cardinality(chosen) < room AND seen < cardinality(in_turn) LOOP
        wanted := room - cardinality(chosen);
        SELECT array_agg(l::spool.line), ceil(wanted::numeric / count(DISTINCT l.tenant)) + 1,
            bool_or(l.tenant_gate + l.kind_gate + l.provider_gate + l.batch_gate > 0)
        INTO mine, share, gated
        FROM unnest(lines) l
        WHERE l.priority = band AND l.tenant = ANY (in_turn[seen + 1:seen + wanted]) AND spool.is_open(l, left_in);
        seen := seen + wanted;
        CONTINUE WHEN mine IS NULL;
        LOOP
            now_chosen := '{}';
            left_now := left_in;
            some_have_more := false;
            left_behind := false;
            FOR one IN
                WITH candidates AS MATERIALIZED (
                    SELECT t.id, t.run_at, l.tenant, l.tenant_gate, l.kind_gate, l.provider_gate, l.batch_gate,
                        row_number() OVER (PARTITION BY l.ordinality) AS nth_of_line
                    FROM unnest(mine) WITH ORDINALITY l CROSS JOIN LATERAL (
                        SELECT y.id, y.run_at FROM spool.tasks y
                        WHERE y.queue = c AND y.priority = band AND y.tenant = l.tenant AND y.kind = l.kind AND y.lane = 1
                            AND coalesce(y.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid) = l.batch AND y.run_at >= l.since
                        ORDER BY y.run_at, y.id LIMIT share) t)
                SELECT n.id, n.tenant, n.tenant_gate, n.kind_gate, n.provider_gate, n.batch_gate,
                    max(n.nth_of_line) OVER () >= share AS more_in_line
                FROM (SELECT p.*, row_number() OVER (PARTITION BY p.tenant ORDER BY p.run_at, p.id) AS nth FROM candidates p) n
                ORDER BY n.nth, n.tenant <= last_served, n.tenant LIMIT CASE WHEN gated THEN NULL ELSE wanted + 1 END
            LOOP
                some_have_more := one.more_in_line;
                CONTINUE WHEN gated AND NOT spool.is_open(ROW(band, one.tenant, '', NULL, 0, one.tenant_gate, one.kind_gate,
                                                              one.provider_gate, one.batch_gate)::spool.line, left_now);
                left_behind := cardinality(now_chosen) >= wanted;
                EXIT WHEN left_behind;
                IF gated THEN
                    IF one.tenant_gate > 0 THEN left_now[one.tenant_gate] := left_now[one.tenant_gate] - 1; END IF;
                    IF one.kind_gate > 0 THEN left_now[one.kind_gate] := left_now[one.kind_gate] - 1; END IF;
                    IF one.provider_gate > 0 THEN left_now[one.provider_gate] := left_now[one.provider_gate] - 1; END IF;
                    IF one.batch_gate > 0 THEN left_now[one.batch_gate] := left_now[one.batch_gate] - 1; END IF;
                END IF;
                now_chosen := now_chosen || one.id;
                next_served := one.tenant;
            END LOOP;
            -- What tenants with little left over is for those with more.
            EXIT WHEN cardinality(now_chosen) >= wanted OR NOT some_have_more OR share > wanted;
            share := least(wanted + 1, share * 4);
        END LOOP;
        left_in := left_now;
        chosen := chosen || now_chosen;
    END LOOP;
    IF next_served IS NOT NULL AND next_served <> last_served THEN
        INSERT INTO spool.served (queue, priority, number, tenant) VALUES (c, band, coalesce(before, 0) + 1, next_served);
        DELETE FROM spool.served s WHERE s.queue = c AND s.priority = band AND s.number = before;
    END IF;
END $$;

-- Whether anything is left in the lines that are open.
CREATE FUNCTION spool.some_left(c spool.queue, lines spool.line[], left_in integer[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    l spool.line;
BEGIN
    FOREACH l IN ARRAY lines LOOP
        CONTINUE WHEN NOT spool.is_open(l, left_in);
        PERFORM FROM spool.tasks t
        WHERE t.queue = c AND t.priority = l.priority AND t.tenant = l.tenant AND t.kind = l.kind AND t.lane = 1
            AND coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid) = l.batch AND t.run_at >= l.since LIMIT 1;
        IF FOUND THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;

-- Writes a front: each line from its first task on, and what is taken from the floor on, or as before where that is not yet worth a list of
-- who straggles. Not again for ten times as long as the dispatch took, and the look through all not for a hundred times, so that neither
-- ever takes much of a dispatcher's time.
CREATE FUNCTION spool.write_front(front spool.fronts, known spool.line[], began bigint, whole boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c CONSTANT spool.queue := front.queue;
    took bigint;
BEGIN
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, f.run_at, 0, 0, 0, 0)::spool.line), '{}') INTO front.lines
    FROM unnest(known) l CROSS JOIN LATERAL (
        SELECT t.run_at FROM spool.tasks t
        WHERE t.queue = c AND t.priority = l.priority AND t.tenant = l.tenant AND t.kind = l.kind AND t.lane = 1
            AND coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid) = l.batch AND t.run_at >= l.since
        ORDER BY t.run_at, t.id LIMIT 1) f;
    IF whole THEN
        front.stragglers := ARRAY(SELECT t.id FROM spool.tasks t WHERE t.queue = c AND t.lane = 2 AND t.queued_at < front.floor);
        front.taken_since := front.floor;
    ELSIF front.floor > front.taken_since + 300 THEN
        front.stragglers := ARRAY(SELECT t.id FROM spool.taken(c) t WHERE t.queued_at < front.floor);
        front.taken_since := front.floor;
    END IF;
    front.written_at := spool.now_ms();
    took := greatest(front.written_at - began, 0);
    front.write_at := front.written_at + greatest(50, 10 * took);
    IF whole THEN
        front.look_at := front.written_at + greatest(10000, 100 * took);
        -- Of the run times too only the newest are read.
        DELETE FROM spool.run_times r
        WHERE r.queue = c AND r.at < (SELECT x.at FROM spool.run_times x WHERE x.queue = c ORDER BY x.at DESC OFFSET 200 LIMIT 1);
    END IF;
    INSERT INTO spool.fronts (queue, number, floor, epoch, epoch_at, empty_below, taken_since, written_at, write_at, look_at, stragglers, lines)
    VALUES (c, front.number + 1, front.floor, front.epoch, front.epoch_at, front.empty_below, front.taken_since, front.written_at,
        front.write_at, front.look_at, front.stragglers, front.lines);
    DELETE FROM spool.fronts f WHERE f.queue = c AND f.number = front.number;
END $$;

-- Hands back what is queued of a paused queue or tenant: also what a dispatcher queued that had not seen the pause.
CREATE FUNCTION spool.hold_back(c spool.queue) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held uuid[];
BEGIN
    held := ARRAY(
        SELECT t.id FROM spool.taken(c) t WHERE t.state = 'queued' AND EXISTS (
            SELECT FROM spool.pauses p WHERE (p.scope = 'queue' AND p.name = c::text) OR (p.scope = 'tenant' AND p.name = t.tenant)));
    UPDATE spool.tasks t SET state = 'ready', lane = 1, queued_at = NULL WHERE t.id = ANY (held) AND t.state = 'queued';
END $$;

-- ready -> queued: highest band first, fair within a band, under the limits, nothing that is paused, and no more than the window holds.
CREATE OR REPLACE FUNCTION spool.dispatch(
    a_queue text, ahead bigint, most bigint,
    OUT dispatched uuid[], OUT fences bigint[], OUT spare bigint, OUT more boolean, OUT next_due bigint, OUT ended bigint,
    OUT tenants text[], OUT keys bytea[]
) LANGUAGE plpgsql AS $$
DECLARE
    c spool.queue := a_queue::spool.queue;
    at bigint;
    front spool.fronts;
    before spool.fronts;
    writing boolean;
    whole boolean;
    known spool.line[];
    lines spool.line[];
    left_in integer[];
    paused boolean := false;
    room integer;
    band smallint;
    below smallint := 10;
    chosen uuid[] := '{}';
    next_chosen uuid[];
    left_behind boolean := false;
    any_behind boolean := false;
    undecided uuid[];
    fx spool.effects;
BEGIN
    -- One dispatcher of a queue at a time, or two would both fill the same window. Held for this statement only.
    PERFORM pg_advisory_xact_lock(hashtext('spool.dispatch'), hashtext(a_queue));
    SELECT f.* INTO front FROM spool.front_of(c) f;
    before := front;
    at := spool.now_ms();
    writing := at >= front.write_at OR at < front.written_at;
    IF writing THEN
        front := spool.raise_floor(front, at);
    END IF;
    whole := writing AND at >= front.look_at;

    UPDATE spool.tasks t SET lane = 1
    WHERE t.id = ANY (ARRAY(SELECT x.id FROM spool.tasks x WHERE x.queue = c AND x.lane = 3 AND x.run_at <= at ORDER BY x.run_at LIMIT 1000))
        AND t.lane = 3;
    undecided := ARRAY(SELECT x.id FROM spool.tasks x WHERE x.queue = c AND x.lane = 0 AND x.key IS NULL AND x.needs_left = 0
        AND x.run_at <= at ORDER BY x.run_at LIMIT 100);
    IF cardinality(undecided) > 0 THEN
        fx := spool.free(undecided, at, spool.no_effects());
        tenants := fx.tenants;
        keys := fx.keys;
    END IF;
    IF EXISTS (SELECT FROM spool.pauses) THEN
        PERFORM spool.hold_back(c);
        paused := EXISTS (SELECT FROM spool.pauses p WHERE p.scope = 'queue' AND p.name = a_queue);
    END IF;
    IF writing THEN
        -- From the floor as it was: what committed since the new one was found to be safe is among it.
        known := spool.take_lines(c, before);
        IF whole THEN
            known := spool.all_lines(c);
        END IF;
    ELSE
        known := spool.lines_of(c);
    END IF;
    lines := CASE WHEN paused THEN '{}' ELSE ARRAY(
        SELECT l::spool.line FROM unnest(known) l
        WHERE NOT EXISTS (SELECT FROM spool.pauses p WHERE p.scope = 'tenant' AND p.name = l.tenant)) END;

    SELECT l.lines, l.left_in INTO lines, left_in FROM spool.under_limits(lines) l;
    SELECT l.lines, l.left_in INTO lines, left_in FROM spool.under_batch_limits(c, lines, left_in) l;
    SELECT greatest(coalesce(sum(CASE a_queue WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate ELSE w.light END), 0) + ahead
                    - (SELECT count(*) FROM spool.taken(c)), 0)
    INTO spare FROM spool.workers w WHERE w.seen_at > at - 10000 AND NOT w.draining;
    room := least(spare, most, 10000);
    WHILE cardinality(chosen) < room LOOP
        SELECT max(l.priority) INTO band FROM unnest(lines) l WHERE l.priority < below;
        EXIT WHEN band IS NULL;
        SELECT o.chosen, o.left_in, o.left_behind INTO next_chosen, left_in, left_behind
        FROM spool.choose(c, band, room - cardinality(chosen), lines, left_in) o;
        chosen := chosen || next_chosen;
        any_behind := any_behind OR left_behind;
        below := band;
    END LOOP;

    -- In the order of ids, as all who lock tasks do; what was cancelled in between is left alone.
    WITH queued AS (
        UPDATE spool.tasks t SET state = 'queued', lane = 2, queued_at = greatest(at, front.floor)
        WHERE t.id = ANY (chosen) AND t.state = 'ready' RETURNING t.id, t.fence)
    SELECT coalesce(array_agg(q.id ORDER BY u.place), '{}'), coalesce(array_agg(q.fence ORDER BY u.place), '{}') INTO dispatched, fences
    FROM queued q JOIN unnest(chosen) WITH ORDINALITY u (id, place) ON u.id = q.id;

    spare := CASE WHEN paused THEN 0 ELSE spare - cardinality(dispatched) END;
    more := any_behind OR (cardinality(chosen) >= room AND spool.some_left(c, lines, left_in));
    next_due := least(
        (SELECT t.run_at FROM spool.tasks t WHERE t.queue = c AND t.lane = 3 ORDER BY t.run_at LIMIT 1),
        (SELECT t.run_at FROM spool.tasks t
         WHERE t.queue = c AND t.lane = 0 AND t.key IS NULL AND t.needs_left = 0 ORDER BY t.run_at LIMIT 1));
    ended := spool.ended(c);
    IF writing THEN
        PERFORM spool.write_front(front, known, at, whole);
    END IF;
END $$;
DROP FUNCTION spool.choose_in_band(spool.queue, smallint, integer, uuid[]), spool.within_limits(spool.queue, integer);

-- As before, over what is taken by the front's account.
CREATE OR REPLACE FUNCTION spool.overdue(
    a_queue text, age_ms bigint, most bigint, OUT tasks uuid[], OUT fences bigint[], OUT queued bigint
) LANGUAGE sql AS $$
    WITH taken AS MATERIALIZED (
        SELECT t.id, t.fence, t.queued_at FROM spool.taken(a_queue::spool.queue) t WHERE t.state = 'queued'),
    old AS (SELECT k.* FROM taken k WHERE k.queued_at <= spool.now_ms() - age_ms ORDER BY k.queued_at, k.id LIMIT most)
    SELECT coalesce(array_agg(o.id ORDER BY o.queued_at, o.id), '{}'), coalesce(array_agg(o.fence ORDER BY o.queued_at, o.id), '{}'),
           (SELECT count(*) FROM taken)
    FROM old o
$$;
