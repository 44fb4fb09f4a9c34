-- A code keeps its kind for life; what it may be as an old one, a duplicate or against the rules, it may only while it stays as it was.
CREATE OR REPLACE FUNCTION oeventdb_internal.discount_code_definition() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.is_duplicate := false;
        NEW.is_legacy := false;
        RETURN NEW;
    END IF;

    IF NEW.used_for IS DISTINCT FROM OLD.used_for THEN
        PERFORM oeventdb_internal.fail(
            'OE201',
            pg_catalog.format('discount code %s is for %ss and stays so', OLD.id, OLD.used_for),
            pg_catalog.jsonb_build_object('discount_code_id', OLD.id, 'used_for', OLD.used_for),
            'Create another code of the kind that you need.'
        );
    END IF;
    NEW.is_duplicate := OLD.is_duplicate AND NEW.event_id IS NOT DISTINCT FROM OLD.event_id
        AND pg_catalog.lower(pg_catalog.lower(NEW.code COLLATE "C") COLLATE "default")
            = pg_catalog.lower(pg_catalog.lower(OLD.code COLLATE "C") COLLATE "default");
    NEW.is_legacy := OLD.is_legacy
        AND (NEW.code, NEW.type, NEW.value, NEW.tickets_number, NEW.min_quantity, NEW.max_quantity, NEW.valid_from, NEW.valid_till)
            IS NOT DISTINCT FROM
            (OLD.code, OLD.type, OLD.value, OLD.tickets_number, OLD.min_quantity, OLD.max_quantity, OLD.valid_from, OLD.valid_till);
    IF NEW.type = 'amount' AND (NEW.value IS DISTINCT FROM OLD.value OR OLD.type <> 'amount') THEN
        IF NEW.value > OLD.value OR OLD.type <> 'amount' THEN
            -- an older snapshot would not show the tickets that were attached, or became cheaper, since
            PERFORM oeventdb_internal.require_read_committed('the amount of a code is raised');
        END IF;
        PERFORM oeventdb_internal.refuse_amount(NEW.id, NEW.value::numeric, t.id, t.price::numeric)
        FROM public.tickets AS t
        WHERE t.discount_code_id = NEW.id AND COALESCE(t.price, 0) < NEW.value;
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.discount_code_definition() IS
'Trigger of public.discount_codes. Raises OE201 when used_for changes, OE205 when an amount would exceed the price of a covered ticket,
feature_not_supported when it is raised under REPEATABLE READ or SERIALIZABLE.';

REVOKE ALL ON FUNCTION oeventdb_internal.discount_code_definition() FROM PUBLIC;
