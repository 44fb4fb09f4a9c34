-- A ticket belongs to an event.
-- table: tickets
-- One without an event has no admissions and can't be sold; the migrations keep it and its holders as they are.
SELECT ticket.id::text AS key
FROM public.tickets AS ticket
WHERE ticket.event_id IS NULL
