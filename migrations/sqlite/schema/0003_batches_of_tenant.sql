-- Lists a tenant's batches, newest first.
CREATE INDEX batches_of_tenant ON batches (tenant, id);
