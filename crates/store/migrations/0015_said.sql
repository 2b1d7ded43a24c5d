-- What findings say, as data: phrases with a key and values by name, from which pages make sentences in their language.

-- Author: assess. A JSON array of {"key", "values"}; null: a finding of before, whose `detail` is an English sentence. `detail` is written no
-- more; it keeps a default so that whoever still reads it finds a text.
ALTER TABLE signal ADD COLUMN said jsonb;
ALTER TABLE signal ALTER COLUMN detail SET DEFAULT '';
