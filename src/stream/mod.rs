//! stub
use crate::types::Direction;
/// stub
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamEvents(u64);
/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// stub
    Stub,
}
impl StreamEvent {
    /// stub
    pub fn from_name(_: &str) -> Option<Self> {
        None
    }
}
impl StreamEvents {
    /// stub
    pub fn has(&self, _: StreamEvent) -> bool {
        false
    }
    /// stub
    pub fn is_empty(&self) -> bool {
        true
    }
}
/// stub
pub enum Readable<'a> {
    /// stub
    Nothing,
    /// stub
    Bytes(&'a [u8]),
    /// stub
    Gap(u64),
}
/// stub
pub struct Session;
impl Session {
    /// stub
    pub fn is_closed(&self) -> bool {
        false
    }
    /// stub
    pub fn is_established(&self) -> bool {
        false
    }
    /// stub
    pub fn is_tracked(&self) -> bool {
        false
    }
    /// stub
    pub fn seen(&self, _: Direction) -> u64 {
        0
    }
    /// stub
    pub fn is_ended(&self, _: Direction) -> bool {
        false
    }
    /// stub
    pub fn readable(&self, _: Direction, _: u64) -> Readable<'_> {
        Readable::Nothing
    }
}
