-- Removes the legacy tables, and refuses while any of them holds a row: there is no other copy of it.

DO $$
DECLARE
    v_table text;
    v_rows boolean;
BEGIN
    FOREACH v_table IN ARRAY ARRAY[
        'users', 'roles', 'events', 'users_events_roles', 'discount_codes', 'tickets', 'orders', 'orders_tickets',
        'ticket_holders', 'access_codes', 'access_codes_tickets', 'ticket_tag', 'association', 'feedback'
    ] LOOP
        EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM public.%I)', v_table) INTO v_rows;
        IF v_rows THEN
            RAISE EXCEPTION 'table public.% holds rows that would be lost', v_table
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = 'Save the rows elsewhere and empty the table before rolling back 0001.';
        END IF;
    END LOOP;
END
$$;

ALTER TABLE public.events DROP CONSTRAINT events_discount_code_id_fkey;

DROP TABLE
    public.feedback,
    public.association,
    public.ticket_tag,
    public.access_codes_tickets,
    public.access_codes,
    public.ticket_holders,
    public.orders_tickets,
    public.orders,
    public.tickets,
    public.discount_codes,
    public.users_events_roles,
    public.events,
    public.roles,
    public.users;
