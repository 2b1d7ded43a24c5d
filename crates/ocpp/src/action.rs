//! Every action of every version, and what we do when a charger calls it: the one table.
//!
//! Asked by `v16`, `v2` and the conformance test; shown in the crate's documentation (`action.md`, kept equal by a test). The
//! names are those of the official JSON schemas. Directions are those of the specifications' message chapters.

use crate::Version;

/// What we do with a charger's call, once it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Notes who the charger is; Accepted.
    Identify,
    /// Gives the time.
    Clock,
    /// Notes which meter it tells of.
    Meter,
    /// Notes the live status where it tells of one.
    Event,
    /// Notes the live status.
    Status,
    /// Accepts the card: who may charge is the operator's matter, not metrology's.
    Admit,
    /// Takes it into a charge, readings included.
    Charge,
    /// Takes its readings.
    Readings,
    /// Keeps a vendor's own message; `UnknownVendorId`.
    Extension,
    /// Acknowledges with an answer that has no content.
    Acknowledge,
    /// Answers Accepted.
    Accept,
    /// Judges a request for a certificate; Accepted where one will come.
    Sign,
    /// Declines a service that we do not offer, in the words of its schema.
    Decline,
    /// Keeps what is sent without waiting for an answer.
    Record,
    /// The wrong way round: a call of ours ([`crate::Call`]); `NotSupported`.
    Ours,
    /// The wrong way round: a call of other central systems, which we never make; `NotSupported`.
    Central,
}

/// One action.
#[derive(Debug, Clone, Copy)]
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// The versions that know it.
    pub versions: &'static [Version],
    /// What we do.
    pub does: Does,
}

impl Does {
    /// In words, as documented.
    pub fn words(self) -> &'static str {
        match self {
            Self::Identify => "kept; identity noted; Accepted",
            Self::Clock => "kept; time given",
            Self::Meter => "kept; the meter's type and serial number noted; acknowledged",
            Self::Event => "kept; AvailabilityState becomes the live status; acknowledged",
            Self::Status => "kept; live status",
            Self::Admit => "kept; Accepted (who may charge is the operator's matter, not metrology's)",
            Self::Charge => "kept; charge, readings",
            Self::Readings => "kept; readings",
            Self::Extension => "kept; UnknownVendorId",
            Self::Acknowledge => "kept; acknowledged",
            Self::Accept => "kept; Accepted",
            Self::Sign => {
                "kept; a certificate is issued if key, name and connection prove the charger, else declined"
            }
            Self::Decline => "kept; declined",
            Self::Record => "kept; never answered (SEND)",
            Self::Ours => "kept; NotSupported: ours to call",
            Self::Central => "kept; NotSupported: a central system's to call, never called by us",
        }
    }

    /// Whether a charger is the one to call it.
    pub fn is_for_us(self) -> bool {
        !matches!(self, Self::Ours | Self::Central)
    }
}

/// What we do with an action in a version; none where that version has no such action.
pub fn does(version: Version, action: &str) -> Option<Does> {
    let found = TABLE.iter().find(|row| row.name == action)?;
    found.versions.contains(&version).then_some(found.does)
}

use Does::{
    Accept, Acknowledge, Admit, Central, Charge, Clock, Decline, Event, Extension, Identify, Meter, Ours,
    Readings, Record, Sign, Status,
};

const EVERY: &[Version] = &[Version::V16, Version::V201, Version::V21];
const ONLY_16: &[Version] = &[Version::V16];
const BOTH_2: &[Version] = &[Version::V201, Version::V21];
const ONLY_21: &[Version] = &[Version::V21];

const fn row(name: &'static str, versions: &'static [Version], does: Does) -> Action {
    Action { name, versions, does }
}

/// Every action, by name.
pub const TABLE: &[Action] = &[
    row("AFRRSignal", ONLY_21, Central),
    row("AdjustPeriodicEventStream", ONLY_21, Ours),
    row("Authorize", EVERY, Admit),
    row("BatterySwap", ONLY_21, Acknowledge),
    row("BootNotification", EVERY, Identify),
    row("CancelReservation", EVERY, Central),
    row("CertificateSigned", EVERY, Ours),
    row("ChangeAvailability", EVERY, Ours),
    row("ChangeConfiguration", ONLY_16, Ours),
    row("ChangeTransactionTariff", ONLY_21, Central),
    row("ClearCache", EVERY, Ours),
    row("ClearChargingProfile", EVERY, Ours),
    row("ClearDERControl", ONLY_21, Central),
    row("ClearDisplayMessage", BOTH_2, Central),
    row("ClearTariffs", ONLY_21, Central),
    row("ClearVariableMonitoring", BOTH_2, Ours),
    row("ClearedChargingLimit", BOTH_2, Acknowledge),
    row("ClosePeriodicEventStream", ONLY_21, Acknowledge),
    row("CostUpdated", BOTH_2, Central),
    row("CustomerInformation", BOTH_2, Central),
    row("DataTransfer", EVERY, Extension),
    row("DeleteCertificate", EVERY, Ours),
    row("DiagnosticsStatusNotification", ONLY_16, Acknowledge),
    row("ExtendedTriggerMessage", ONLY_16, Ours),
    row("FirmwareStatusNotification", EVERY, Acknowledge),
    row("Get15118EVCertificate", BOTH_2, Decline),
    row("GetBaseReport", BOTH_2, Ours),
    row("GetCertificateChainStatus", ONLY_21, Decline),
    row("GetCertificateStatus", BOTH_2, Decline),
    row("GetChargingProfiles", BOTH_2, Ours),
    row("GetCompositeSchedule", EVERY, Ours),
    row("GetConfiguration", ONLY_16, Ours),
    row("GetDERControl", ONLY_21, Central),
    row("GetDiagnostics", ONLY_16, Ours),
    row("GetDisplayMessages", BOTH_2, Central),
    row("GetInstalledCertificateIds", EVERY, Ours),
    row("GetLocalListVersion", EVERY, Central),
    row("GetLog", EVERY, Ours),
    row("GetMonitoringReport", BOTH_2, Ours),
    row("GetPeriodicEventStream", ONLY_21, Ours),
    row("GetReport", BOTH_2, Ours),
    row("GetTariffs", ONLY_21, Central),
    row("GetTransactionStatus", BOTH_2, Ours),
    row("GetVariables", BOTH_2, Ours),
    row("Heartbeat", EVERY, Clock),
    row("InstallCertificate", EVERY, Ours),
    row("LogStatusNotification", EVERY, Acknowledge),
    row("MeterValues", EVERY, Readings),
    row("NotifyAllowedEnergyTransfer", ONLY_21, Central),
    row("NotifyChargingLimit", BOTH_2, Acknowledge),
    row("NotifyCustomerInformation", BOTH_2, Acknowledge),
    row("NotifyDERAlarm", ONLY_21, Acknowledge),
    row("NotifyDERStartStop", ONLY_21, Acknowledge),
    row("NotifyDisplayMessages", BOTH_2, Acknowledge),
    row("NotifyEVChargingNeeds", BOTH_2, Decline),
    row("NotifyEVChargingSchedule", BOTH_2, Accept),
    row("NotifyEvent", BOTH_2, Event),
    row("NotifyMonitoringReport", BOTH_2, Acknowledge),
    row("NotifyPeriodicEventStream", ONLY_21, Record),
    row("NotifyPriorityCharging", ONLY_21, Acknowledge),
    row("NotifyReport", BOTH_2, Meter),
    row("NotifySettlement", ONLY_21, Acknowledge),
    row("NotifyWebPaymentStarted", ONLY_21, Central),
    row("OpenPeriodicEventStream", ONLY_21, Accept),
    row("PublishFirmware", BOTH_2, Central),
    row("PublishFirmwareStatusNotification", BOTH_2, Acknowledge),
    row("PullDynamicScheduleUpdate", ONLY_21, Decline),
    row("RemoteStartTransaction", ONLY_16, Ours),
    row("RemoteStopTransaction", ONLY_16, Ours),
    row("ReportChargingProfiles", BOTH_2, Acknowledge),
    row("ReportDERControl", ONLY_21, Acknowledge),
    row("RequestBatterySwap", ONLY_21, Central),
    row("RequestStartTransaction", BOTH_2, Ours),
    row("RequestStopTransaction", BOTH_2, Ours),
    row("ReservationStatusUpdate", BOTH_2, Acknowledge),
    row("ReserveNow", EVERY, Central),
    row("Reset", EVERY, Ours),
    row("SecurityEventNotification", EVERY, Acknowledge),
    row("SendLocalList", EVERY, Central),
    row("SetChargingProfile", EVERY, Ours),
    row("SetDERControl", ONLY_21, Central),
    row("SetDefaultTariff", ONLY_21, Central),
    row("SetDisplayMessage", BOTH_2, Central),
    row("SetMonitoringBase", BOTH_2, Ours),
    row("SetMonitoringLevel", BOTH_2, Ours),
    row("SetNetworkProfile", BOTH_2, Central),
    row("SetVariableMonitoring", BOTH_2, Ours),
    row("SetVariables", BOTH_2, Ours),
    row("SignCertificate", EVERY, Sign),
    row("SignedFirmwareStatusNotification", ONLY_16, Acknowledge),
    row("SignedUpdateFirmware", ONLY_16, Ours),
    row("StartTransaction", ONLY_16, Charge),
    row("StatusNotification", EVERY, Status),
    row("StopTransaction", ONLY_16, Charge),
    row("TransactionEvent", BOTH_2, Charge),
    row("TriggerMessage", EVERY, Ours),
    row("UnlockConnector", EVERY, Ours),
    row("UnpublishFirmware", BOTH_2, Central),
    row("UpdateDynamicSchedule", ONLY_21, Central),
    row("UpdateFirmware", EVERY, Ours),
    row("UsePriorityCharging", ONLY_21, Central),
    row("VatNumberValidation", ONLY_21, Decline),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn documented() -> String {
        let mut text = "| action | 1.6 | 2.0.1 | 2.1 | what we do |\n|---|---|---|---|---|\n".to_owned();
        for row in TABLE {
            let tick = |version| if row.versions.contains(&version) { "✓" } else { "–" };
            let ticks = EVERY.iter().map(|version| tick(*version)).collect::<Vec<_>>().join(" | ");
            text.push_str(&format!("| {} | {ticks} | {} |\n", row.name, row.does.words()));
        }
        text.push_str("| any other | – | – | – | kept; NotImplemented |\n");
        text
    }

    #[test]
    fn the_documented_table_is_the_table() {
        let documented = documented();
        assert_eq!(include_str!("action.md"), documented, "action.md should read:\n{documented}");
    }

    #[test]
    fn actions_stand_once_and_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    /// Counts of the official schemas (PyPI `ocpp` 2.1.0): 39 for 1.6 with the security extension, 64 for 2.0.1, 90 and one
    /// SEND for 2.1.
    #[test]
    fn every_version_has_as_many_actions_as_its_schemas() {
        let count = |version| TABLE.iter().filter(|row| row.versions.contains(&version)).count();
        assert_eq!(EVERY.iter().map(|version| count(*version)).collect::<Vec<_>>(), [39, 64, 91]);
    }

    #[test]
    fn an_action_is_known_in_its_versions_only() {
        assert_eq!(does(Version::V16, "StopTransaction"), Some(Charge));
        assert_eq!(does(Version::V201, "StopTransaction"), None);
        assert_eq!(
            (does(Version::V201, "BatterySwap"), does(Version::V21, "BatterySwap")),
            (None, Some(Acknowledge))
        );
        assert_eq!(does(Version::V21, "GetVariables"), Some(Ours));
        assert_eq!(does(Version::V21, ""), None);
    }
}
