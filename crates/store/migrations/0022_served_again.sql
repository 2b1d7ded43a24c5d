-- Author: `veripile case`. How often the same person had taken the like on the same case before: a case is served anew when the pile is
-- found bad again after its repair, and its two confirmations are acts of their own then. What is registered or issued is of round 0, once.
ALTER TABLE act ADD COLUMN round integer NOT NULL DEFAULT 0;
ALTER TABLE act DROP CONSTRAINT act_pile_no_kind_number_person_key;
ALTER TABLE act ADD CONSTRAINT act_once UNIQUE (pile_no, kind, number, person, round);
