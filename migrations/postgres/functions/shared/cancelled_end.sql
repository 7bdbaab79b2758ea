-- The end of a task that is cancelled with an error; `cause` is the task whose failure it is, if
-- any.
CREATE OR REPLACE FUNCTION spool.cancelled_end(task uuid, error text, cause uuid DEFAULT NULL)
    RETURNS spool.task_end LANGUAGE sql IMMUTABLE AS
    $$ SELECT ROW(task, 'cancelled', false, cause, NULL, NULL, error, NULL)::spool.task_end $$;
