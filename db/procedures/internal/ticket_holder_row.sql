-- What the API shows of a holder, from the table's row.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_row(
    holder public.ticket_holders
) RETURNS oeventdb.ticket_holder
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        holder.id, holder.event_id, holder.ticket_id, holder.order_id, holder.admission_no,
        holder.firstname, holder.lastname, holder.email, COALESCE(holder.is_checked_in, false), holder.checkin_times
    )::oeventdb.ticket_holder
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_holder_row(public.ticket_holders) IS
'The API''s row of a holder.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_holder_row(public.ticket_holders) FROM PUBLIC;
