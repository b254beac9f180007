//! EVE records that are not a transaction's own: alert, drop, anomaly, flow, fileinfo.
//!
//! Each function writes its object (key included) into a record begun with [`super::write_header`].

mod alert;
mod fileinfo;
mod flow;
mod frame;
mod packet;

pub use alert::{
    AlertRecord, FlowInAlert, Payload, VerdictAction, printable, rule_metadata, write_alert,
    write_flow_in_alert, write_payload, write_verdict,
};
pub use fileinfo::{FileNote, write_fileinfo, write_files};
pub use flow::{
    FlowRecord, NetflowRecord, TcpRecord, TcpSessionRecord, write_flow_event, write_netflow_event,
};
pub use frame::{FrameRecord, write_frame};
pub use packet::{Anomaly, DropRecord, IpFields, TransportFields, write_anomaly, write_drop};
