//! The nouns of the field: who a pile is, where it stands, what it read, what was charged, what is known of it.
//!
//! Every crate above speaks in these types. Nothing here does IO, reads a clock or draws a random number; nothing here
//! knows OCPP's spelling, SQL or HTTP.

pub mod act;
pub mod case;
pub mod charge;
pub mod coordinate;
pub mod course;
pub mod estimate;
pub mod identity;
pub mod mark;
pub mod path;
pub mod person;
pub mod place;
pub mod proposal;
pub mod reading;
pub mod register;
pub mod sequence;
pub mod signed;
pub mod standing;
pub mod tile;
pub mod time;
pub mod unsaid;

pub use act::{Act, ActKind, NO_BODY, OnSiteResult, body};
pub use charge::{Charge, ChargeEvent, ChargeReference, RegisterSample, Side, Span, Stage, Stand};
pub use coordinate::{CoordinateSystem, GivenPlace, PlaceDoubt, presumed_country};
pub use course::Course;
pub use estimate::{Estimate, RemoteVerdict};
pub use identity::{IdentityError, NameKind, OperatorId, PileId, StationId, VehicleKey, is_vin};
pub use mark::Mark;
pub use path::VehiclePath;
pub use person::is_same_person;
pub use place::{AccuracyClass, ConnectorType, Operator, Pile, PileKind, Place, Station};
pub use reading::{Location, Measurand, Phase, Reading, ReadingContext};
pub use register::{RegisterKind, Restart};
pub use sequence::Sequence;
pub use signed::{KeySource, MeterKey, SignedRecord, SignedValue};
pub use standing::told::Certification;
pub use standing::{Certified, OpenCase, Standing, State, StoppedBy, open_cases};
pub use tile::{PlaceKey, Tile};
pub use time::{DeviceTime, ReceiveTime};
pub use unsaid::{Field, Told};
