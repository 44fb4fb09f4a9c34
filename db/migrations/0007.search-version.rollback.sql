-- Removes the versions of the search index: after migrating again, run `oeventdb reindex`, since the versions begin anew.

DROP TRIGGER search_events_truncated ON public.events;

DROP TRIGGER search_event_updated ON public.events;

DROP TRIGGER search_event_deleted ON public.events;

DROP TRIGGER search_event_inserted ON public.events;

-- >>> db/procedures/search/search_listing.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_listing;
-- <<<

-- >>> db/procedures/search/search_current.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_current;
-- <<<

-- >>> db/procedures/search/search_mend.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_mend;
-- <<<

-- >>> db/procedures/search/search_lag.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_lag;
-- <<<

-- >>> db/procedures/search/search_settle.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_settle;
-- <<<

-- >>> db/procedures/search/search_serve.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_serve;
-- <<<

-- >>> db/procedures/search/search_bury.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_bury;
-- <<<

-- >>> db/procedures/search/search_acknowledge.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_acknowledge;
-- <<<

-- >>> db/procedures/search/search_take.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_take;
-- <<<

-- >>> db/procedures/search/search_changes.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_changes;
-- <<<

-- >>> db/procedures/search/search_bulk.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_bulk;
-- <<<

-- >>> db/procedures/search/search_count.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_count;
-- <<<

-- >>> db/procedures/search/search_documents.sql
DROP FUNCTION IF EXISTS oeventdb.search_documents;
-- <<<

-- >>> db/procedures/search/capture_event_change.sql
DROP FUNCTION IF EXISTS oeventdb_internal.capture_event_change;
-- <<<

-- >>> db/procedures/search/search_lines.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_lines;
-- <<<

-- >>> db/procedures/search/search_document.sql
DROP FUNCTION IF EXISTS oeventdb_internal.search_document;
-- <<<

-- >>> db/procedures/search/belongs_in_index.sql
DROP FUNCTION IF EXISTS oeventdb_internal.belongs_in_index;
-- <<<

DROP TABLE oeventdb_internal.search_served;

DROP TABLE oeventdb_internal.search_dead_letters;

DROP TABLE oeventdb_internal.search_outbox;

DROP TABLE oeventdb_internal.search_versions;
