-- The trace of the call that made a job (W3C `traceparent`), if its caller sent one.
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
