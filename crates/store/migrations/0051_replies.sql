-- What operators reply to cases on their piles (DECISIONS 269): until now there was the date until which they may, and no place for what they say.

-- Author: cases. Appended as it was stated, in the order of its number. By whose hand it came is public, who that was is not.
CREATE TABLE case_reply (
    reply_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pile_no    bigint NOT NULL REFERENCES pile,
    number     text COLLATE "C" NOT NULL,
    replied_at timestamptz NOT NULL,
    replied_by text NOT NULL CHECK (replied_by IN ('operator', 'authority')),
    person     text NOT NULL,
    words      text NOT NULL CHECK (words <> '' AND char_length(words) <= 2000)
);
CREATE INDEX case_reply_by_pile ON case_reply (pile_no, reply_no);
