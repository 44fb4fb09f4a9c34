-- place_order with all that it does, but for the admissions: every buyer of a ticket counts up one row, and holds it until the commit.
CREATE FUNCTION rival.count_seat() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE rival.tickets AS t SET sold = t.sold + 1 WHERE t.id = NEW.ticket_id AND t.sold < t.quantity
    RETURNING t.sold INTO NEW.admission_no;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'sold out';
    END IF;
    RETURN NEW;
END
$$;

ALTER TABLE public.ticket_holders DROP CONSTRAINT ticket_holders_admission;

ALTER TABLE public.ticket_holders DISABLE TRIGGER ticket_holder_admission;

CREATE TRIGGER count_seat BEFORE INSERT ON public.ticket_holders FOR EACH ROW EXECUTE FUNCTION rival.count_seat();
