//! Functions: their names, what they touch, and what kind of function they are.

/// What a function touches, as bits.
pub(super) mod access {
    pub(crate) const READ: u8 = 1;
    pub(crate) const WRITE: u8 = 2;
    pub(crate) const DISCRETES: u8 = 4;
    pub(crate) const COILS: u8 = 8;
    pub(crate) const INPUT: u8 = 16;
    pub(crate) const HOLDING: u8 = 32;
    pub(crate) const SINGLE: u8 = 64;
    pub(crate) const MULTIPLE: u8 = 128;
}

use access::*;

/// EVE's name of a function, and what it touches. Section 6 of the specification; `None` for what has no number there.
pub(super) fn known(function: u8) -> Option<(&'static str, u8)> {
    Some(match function {
        1 => ("RdCoils", READ | COILS),
        2 => ("RdDiscreteInputs", READ | DISCRETES),
        3 => ("RdHoldRegs", READ | HOLDING),
        4 => ("RdInputRegs", READ | INPUT),
        5 => ("WrSingleCoil", WRITE | COILS | SINGLE),
        6 => ("WrSingleReg", WRITE | HOLDING | SINGLE),
        7 => ("RdExcStatus", 0),
        8 => ("Diagnostic", 0),
        9 => ("Program484", 0),
        10 => ("Poll484", 0),
        11 => ("GetCommEventCtr", 0),
        12 => ("GetCommEventLog", 0),
        13 => ("ProgramController", 0),
        14 => ("PollController", 0),
        15 => ("WrMultCoils", WRITE | COILS | MULTIPLE),
        16 => ("WrMultRegs", WRITE | HOLDING | MULTIPLE),
        17 => ("ReportServerID", 0),
        18 => ("Program884", 0),
        19 => ("ResetCommLink", 0),
        20 => ("RdFileRec", 0),
        21 => ("WrFileRec", 0),
        22 => ("MaskWrReg", WRITE | HOLDING),
        23 => ("RdWrMultRegs", READ | WRITE | HOLDING | MULTIPLE),
        24 => ("RdFIFOQueue", 0),
        43 => ("MEI", 0),
        _ => return None,
    })
}

/// The kind of a function, as bits.
pub(super) mod category {
    pub(crate) const PUBLIC_ASSIGNED: u8 = 1;
    pub(crate) const PUBLIC_UNASSIGNED: u8 = 2;
    pub(crate) const USER_DEFINED: u8 = 4;
    pub(crate) const RESERVED: u8 = 8;
}

/// The kind of a function; diagnostics and the encapsulated interface are judged by what comes with them.
pub(super) fn category(function: u8) -> u8 {
    match function {
        0 => 0,
        1..=24 | 43 => category::PUBLIC_ASSIGNED,
        65..=72 | 100..=110 => category::USER_DEFINED,
        126..=127 => category::RESERVED,
        _ => category::PUBLIC_UNASSIGNED,
    }
}

/// Section 6.8: names of diagnostics; `None` for those that are reserved.
pub(super) fn diagnostic(number: u16) -> Option<&'static str> {
    Some(match number {
        0 => "RetQueryData",
        1 => "RestartCommOpt",
        2 => "RetDiagReg",
        3 => "ChangeInputDelimiter",
        4 => "ForceListenOnlyMode",
        10 => "ClearCtrDiagReg",
        11 => "RetBusMsgCount",
        12 => "RetBusCommErrCount",
        13 => "RetBusExcErrCount",
        14 => "RetServerMsgCount",
        15 => "RetServerNoRespCount",
        16 => "RetServerNAKCount",
        17 => "RetServerBusyCount",
        18 => "RetBusCharOverrunCount",
        19 => "RetOverrunErrCount",
        20 => "ClearOverrunCounterFlag",
        21 => "GetClearPlusStats",
        _ => return None,
    })
}

/// Section 6.19.
pub(super) fn interface(number: u8) -> Option<&'static str> {
    match number {
        13 => Some("CANOpenGenRefReqResp"),
        14 => Some("RdDevId"),
        _ => None,
    }
}

/// Section 7.
pub(super) fn exception(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "IllegalFunction",
        2 => "IllegalDataAddr",
        3 => "IllegalDataValue",
        4 => "ServerDeviceFail",
        5 => "Ack",
        6 => "ServerDeviceBusy",
        7 => "NegAck",
        10 => "GatewayPathUnavailable",
        11 => "GatewayTargetFailToResp",
        _ => return None,
    })
}
