-- A function that works on one user starts by making sure that the user exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_user(
    user_id bigint
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_user.user_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('user_id', 'is NULL');
    END IF;

    PERFORM FROM public.users AS t WHERE t.id = require_user.user_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('user', require_user.user_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_user(bigint) IS
'Raises OE400 for NULL, OE404 for an unknown or deleted user.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_user(bigint) FROM PUBLIC;
