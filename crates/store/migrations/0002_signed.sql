-- Signed meter values: the containers, their verdicts, and the keys they were checked with.

-- Author: registration. Public keys of meters, entered by people from plate or certificate.
CREATE TABLE meter_key (
    pile_no       bigint NOT NULL REFERENCES pile,
    public_key    text NOT NULL,
    meter_serial  text,
    registered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pile_no, public_key)
);

CREATE INDEX meter_key_by_serial ON meter_key (lower(meter_serial));

-- Author: gateway. The first key each meter of a pile supplied itself, trusted since; appended once, never changed.
CREATE TABLE first_key (
    pile_no      bigint NOT NULL REFERENCES pile,
    meter_serial text NOT NULL,
    public_key   text NOT NULL,
    seen_at      timestamptz NOT NULL,
    PRIMARY KEY (pile_no, meter_serial)
);

-- Author: gateway. Signed values with their verdicts, appended. `container` names it in frames and readings; `sealed` is its
-- text, encrypted under the identity key, since it names the card that charged.
CREATE TABLE signed_value (
    pile_no         bigint NOT NULL,
    at              timestamptz NOT NULL,
    received_at     timestamptz NOT NULL,
    connector       bigint NOT NULL,
    digest          uuid NOT NULL,
    container       text NOT NULL,
    sealed          bytea NOT NULL,
    encoding_method text,
    public_key      text,
    format          text,
    verdict         text NOT NULL,
    key_source      text,
    meter_serial    text,
    layers          text NOT NULL,
    reference       text
);
CREATE INDEX signed_value_by_pile ON signed_value (pile_no, at);

-- The signed register beside the others. Author: gateway.
ALTER TABLE charge
    ADD COLUMN signed_begin_at timestamptz,
    ADD COLUMN signed_begin_wh numeric,
    ADD COLUMN signed_end_at   timestamptz,
    ADD COLUMN signed_end_wh   numeric;
