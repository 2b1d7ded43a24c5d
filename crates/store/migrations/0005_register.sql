-- What chargers' registers are like: epochs, kind and step; and of charges what their samples add up to.

-- Author: gateway. Where a register began to count anew, appended. A reading belongs to the latest epoch of its register that
-- began at or before it; before the first, to epoch 0. Values of two epochs have no difference.
CREATE TABLE register_epoch (
    pile_no   bigint NOT NULL REFERENCES pile,
    connector bigint NOT NULL,
    phase     text NOT NULL,
    began_at  timestamptz NOT NULL,
    epoch     bigint NOT NULL,
    before_wh numeric NOT NULL,
    after_wh  numeric NOT NULL,
    PRIMARY KEY (pile_no, connector, phase, began_at)
);

-- Author: gateway. How the register of a connector counts, told from its last charges; overwritten when that changes.
CREATE TABLE register (
    pile_no    bigint NOT NULL REFERENCES pile,
    connector  bigint NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('lifetime', 'session', 'reset_on_boot', 'unknown')),
    step_wh    numeric,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (pile_no, connector)
);

-- Author: gateway. Phases are those summed (bits 1, 2, 4 for L1, L2, L3; 0 for a total register); `course` is what the samples add
-- up to; `sequence` the numbers of the messages that came (2.x); `booted_at` the charger's last boot before the charge.
ALTER TABLE charge
    ADD COLUMN pile_begin_phases smallint NOT NULL DEFAULT 0,
    ADD COLUMN pile_end_phases   smallint NOT NULL DEFAULT 0,
    ADD COLUMN last_at           timestamptz,
    ADD COLUMN last_wh           numeric,
    ADD COLUMN last_phases       smallint NOT NULL DEFAULT 0,
    ADD COLUMN course            jsonb,
    ADD COLUMN sequence          text NOT NULL DEFAULT '',
    ADD COLUMN offline           boolean NOT NULL DEFAULT false,
    ADD COLUMN placed            boolean NOT NULL DEFAULT false,
    ADD COLUMN booted_at         timestamptz;
