-- What belongs to another event is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_wrong_event(
    resource text,
    id bigint,
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE105',
        pg_catalog.format(
            '%s %s does not belong to event %s', pg_catalog.replace(refuse_wrong_event.resource, '_', ' '),
            refuse_wrong_event.id, COALESCE(refuse_wrong_event.event_id::text, 'NULL')
        ),
        pg_catalog.jsonb_build_object(
            'resource', refuse_wrong_event.resource, 'id', refuse_wrong_event.id, 'event_id', refuse_wrong_event.event_id
        ),
        'Name the event that it belongs to; everything in one call is of one event.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_wrong_event(text, bigint, bigint) IS
'Raises OE105 (wrong_event) with the resource, its id and the event_id given.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_wrong_event(text, bigint, bigint) FROM PUBLIC;
