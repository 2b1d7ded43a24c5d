-- What was taken in since a moment is asked for whenever the assess role starts (`others_since`, `comparable_since`): from these indexes it
-- reads the rows of that time alone, and of a charge the row before by the primary key. Without them it read all there is. Moments only grow,
-- and a batch shares one, so that they are small and written at their end.
CREATE INDEX evidence_charge_by_known ON evidence_charge (known_from);
CREATE INDEX evidence_energy_by_known ON evidence_energy (known_from);
