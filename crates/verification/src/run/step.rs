//! Where a run is: the steps, and what a page calls them. Which answer leads from one to the next is in `flow` and `safety`.

use jiff::Timestamp;

/// Which end of a reading under a real load the register is tied to the standard at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Start,
    Stop,
}

/// Which off the source is asked about, once it obeyed: what follows depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Off {
    Reset,
    Before,
    After,
    Last,
    Safe,
    GiveUp,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Waiting,
    MakeInoperative,
    CheckIdle,
    IdentifySource,
    IdentifyStandard,
    ResetSource,
    ResetStandard,
    Watchdog,
    EnterTest,
    WarmSet,
    WarmOn,
    WarmWait { until: Timestamp },
    WarmIdle { until: Timestamp },
    WarmMeasure { until: Timestamp },
    WarmLook { until: Timestamp },
    WarmTemperature { until: Timestamp },
    OffBefore,
    SettleBefore,
    RegisterBefore,
    IdleBefore,
    IntegrateReset,
    IntegrateStart,
    Constant,
    Set,
    On,
    Arm,
    PollWait,
    PollIdle,
    PollMeasure,
    PollState,
    PollTemperature,
    PollEnergy,
    PollPulses,
    Counted,
    OffAfter,
    SettleAfter,
    IntegrateStop,
    Energy,
    RegisterAfter,
    LastOff,
    LeaveTest,
    LeaveWait,
    LeaveAgain,
    MakeOperative,
    SafeOff,
    SafeWait,
    GiveUpOff,
    GiveUpWait,
    GiveUpTest,
    GiveUpTestWait,
    GiveUpTestAgain,
    GiveUpOperative,
    ReadBack(Off),
    // Under a real load only.
    AwaitCharge { until: Timestamp },
    ChargePause { until: Timestamp },
    AwaitPoint { until: Timestamp },
    PointPause { until: Timestamp },
    PointIdle { until: Timestamp },
    StandardBefore(End),
    StandardAfter(End),
    Ended,
}

impl Step {
    /// The word for pages; `None` once it is over: then the ending says more.
    pub(super) fn stage(self) -> Option<&'static str> {
        Some(match self {
            Self::Ended => return None,
            Self::Waiting => "waiting",
            Self::MakeInoperative
            | Self::CheckIdle
            | Self::IdentifySource
            | Self::IdentifyStandard
            | Self::ResetSource
            | Self::ResetStandard
            | Self::Watchdog
            | Self::EnterTest
            | Self::ReadBack(Off::Reset) => "preparing",
            Self::WarmSet
            | Self::WarmOn
            | Self::WarmWait { .. }
            | Self::WarmIdle { .. }
            | Self::WarmMeasure { .. }
            | Self::WarmLook { .. }
            | Self::WarmTemperature { .. } => "warming_up",
            Self::AwaitCharge { .. } | Self::ChargePause { .. } => "awaiting_charge",
            Self::AwaitPoint { .. } | Self::PointPause { .. } | Self::PointIdle { .. } => "awaiting_point",
            step if step.finishes() => "finishing",
            Self::SafeOff | Self::SafeWait | Self::ReadBack(Off::Safe) => "troubled",
            step if step.gives_up() => "giving_up",
            _ => "reading",
        })
    }

    /// Whether everything is measured and only the bench is to be left as it was found.
    pub(super) fn finishes(self) -> bool {
        matches!(
            self,
            Self::LastOff
                | Self::LeaveTest
                | Self::LeaveWait
                | Self::LeaveAgain
                | Self::MakeOperative
                | Self::ReadBack(Off::Last)
        )
    }

    /// Whether the run is being given up: nothing but its safe end is of interest any more.
    pub(super) fn gives_up(self) -> bool {
        matches!(
            self,
            Self::GiveUpOff
                | Self::GiveUpWait
                | Self::GiveUpTest
                | Self::GiveUpTestWait
                | Self::GiveUpTestAgain
                | Self::GiveUpOperative
                | Self::ReadBack(Off::GiveUp)
        )
    }
}
