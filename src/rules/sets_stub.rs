//! stub
/// stub
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressSet;
/// stub
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortSet;
