-- Money is rounded to the smallest coin: two decimals in most currencies, none or three in a few.
CREATE OR REPLACE FUNCTION oeventdb_internal.currency_digits(
    currency text
) RETURNS integer
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE
        WHEN currency_digits.currency = ANY (ARRAY[
            'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'
        ]) THEN 0
        WHEN currency_digits.currency = ANY (ARRAY['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND']) THEN 3
        ELSE 2
    END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.currency_digits(text) IS
'Decimals of the minor unit of a currency (ISO 4217 code); 2 for one that is not known.';

REVOKE ALL ON FUNCTION oeventdb_internal.currency_digits(text) FROM PUBLIC;
