-- A foreign key that takes the place of another is validated, unless old rows refer to what is gone: these stay as they are, and new ones obey.
CREATE OR REPLACE FUNCTION oeventdb_internal.validate_reference(
    referencing regclass,
    constraint_name text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE pg_catalog.format(
        'ALTER TABLE %s VALIDATE CONSTRAINT %I', validate_reference.referencing, validate_reference.constraint_name
    );
EXCEPTION
    WHEN foreign_key_violation THEN
        -- the rules of the audit that end in _missing list these rows
        RETURN;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.validate_reference(regclass, text) IS
'Validates a foreign key, or leaves it NOT VALID where rows refer to what is gone, which `oeventdb audit` lists.';

REVOKE ALL ON FUNCTION oeventdb_internal.validate_reference(regclass, text) FROM PUBLIC;
