-- Approvals of firmware can be withdrawn: kept and shown, and from then on as if they had not been.

ALTER TABLE firmware_approval
    DROP CONSTRAINT firmware_approval_pkey,
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN withdrawn_by text,
    ADD CONSTRAINT firmware_approval_withdrawn CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL));
CREATE UNIQUE INDEX firmware_approval_holds ON firmware_approval (model, firmware) WHERE withdrawn_at IS NULL;
