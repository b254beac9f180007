//! Which conversation a packet belongs to, and what is remembered of it.
//!
//! Knows nothing of rules: what detection must remember is kept here as plain numbers ([`Inspected`]).

pub mod app_layer;
pub mod expectations;
#[expect(clippy::module_inception, reason = "the module's main type has the module's name")]
pub mod flow;
pub mod inspected;
pub mod key;
pub mod table;
pub mod vars;

pub use app_layer::{AppLayer, Protocols};
pub use expectations::Expectations;
pub use flow::{Flow, FlowAction, FlowId, FlowState, Macs, Side, Tagged};
pub use inspected::{Inspected, TxInspected};
pub use key::FlowKey;
pub use table::{FlowConfig, FlowTable, Timeouts};
pub use vars::Vars;
