-- A ticket is free, paid or a donation, costs a finite number of at least 0, and has limits that agree.
-- table: tickets
SELECT ticket.id::text AS key
FROM public.tickets AS ticket
WHERE ticket.type NOT IN ('free', 'paid', 'donation')
    OR ticket.quantity < 0
    OR ticket.price < 0
    OR ticket.price::float8 >= 'Infinity'::float8
    OR ticket.min_order < 0
    OR ticket.min_order > ticket.max_order
    OR ticket.sales_starts_at >= ticket.sales_ends_at
