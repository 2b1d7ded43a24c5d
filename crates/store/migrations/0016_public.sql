-- What the public pages count by.

-- Author: registration. The district or county (行政区划) that a station stands in, as its name is written; null: nobody said.
ALTER TABLE station ADD COLUMN region text;

-- Author: registration. The day on which the operator made the public commitment to honest metering (诚信计量自我承诺); null: it has not.
ALTER TABLE operator ADD COLUMN committed_on date;
