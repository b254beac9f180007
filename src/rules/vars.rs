//! Variables, and address and port groups → sets.
//!
//! How lists combine was learned from Suricata 7 with packets: what is negated anywhere in a list, also in a list within it,
//! is taken from the union of the rest, whatever the order; with nothing but negations, it is taken from everything.
//! A negated list of *addresses* is evaluated by itself and its result taken away; a negation before a list of *ports* goes
//! to each of its items, and two negations are none.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::address::{AddressRange, AddressSet, parse_address};
use super::ast::{GroupExpr, Spanned};
use super::parser::parse_group;
use super::port::{PortSet, parse_port};
use super::report::{RuleError, did_you_mean};

/// How deep variables may stand in variables.
pub const VARIABLE_DEPTH_MAX: usize = 32;

/// The variables of a configuration: names, without `$`, to the text of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vars {
    /// `vars.address-groups`
    pub addresses: BTreeMap<String, String>,
    /// `vars.port-groups`
    pub ports: BTreeMap<String, String>,
}

/// Addresses that published rules name. Traffic between containers stays within: neither side is "outside", so all are `any`.
const USUAL_ADDRESSES: &[&str] = &[
    "HOME_NET",
    "EXTERNAL_NET",
    "HTTP_SERVERS",
    "SMTP_SERVERS",
    "SQL_SERVERS",
    "DNS_SERVERS",
    "TELNET_SERVERS",
    "AIM_SERVERS",
    "DC_SERVERS",
    "DNP3_SERVER",
    "DNP3_CLIENT",
    "MODBUS_SERVER",
    "MODBUS_CLIENT",
    "ENIP_SERVER",
    "ENIP_CLIENT",
];

/// Ports that published rules name, with the values of the stock configuration.
const USUAL_PORTS: &[(&str, &str)] = &[
    ("HTTP_PORTS", "80"),
    ("SHELLCODE_PORTS", "!80"),
    ("ORACLE_PORTS", "1521"),
    ("SSH_PORTS", "22"),
    ("DNP3_PORTS", "20000"),
    ("MODBUS_PORTS", "502"),
    ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
    ("FTP_PORTS", "21"),
    ("GENEVE_PORTS", "6081"),
    ("VXLAN_PORTS", "4789"),
    ("TEREDO_PORTS", "3544"),
];

impl Vars {
    /// The variables that published rules use, for who has not configured any: addresses are `any`.
    pub fn usual() -> Self {
        Vars {
            addresses: USUAL_ADDRESSES.iter().map(|name| (name.to_string(), "any".to_owned())).collect(),
            ports: USUAL_PORTS.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
        }
    }

    /// The addresses of a group. To resolve many, see [`Resolver`].
    pub fn address_set(&self, group: &Spanned<GroupExpr<'_>>) -> Result<AddressSet, RuleError> {
        Resolver::new(self).resolve_addresses(group)
    }

    /// The ports of a group. To resolve many, see [`Resolver`].
    pub fn port_set(&self, group: &Spanned<GroupExpr<'_>>) -> Result<PortSet, RuleError> {
        Resolver::new(self).resolve_ports(group)
    }

    /// The addresses of a group in its text form, with variables.
    pub fn parse_addresses(&self, text: &str) -> Result<AddressSet, RuleError> {
        self.address_set(&parse_group(text)?)
    }

    /// The ports of a group in its text form, with variables.
    pub fn parse_ports(&self, text: &str) -> Result<PortSet, RuleError> {
        self.port_set(&parse_group(text)?)
    }

    /// Resolves every variable: the names of those that cannot be, and why.
    pub fn check(&self) -> Vec<(String, RuleError)> {
        let mut resolver = Resolver::new(self);
        let mut faults = Vec::new();
        for name in self.addresses.keys() {
            let whole = Spanned { node: GroupExpr::Variable(name), span: 0..0 };
            if let Err(error) = resolver.resolve_addresses(&whole) {
                faults.push((format!("address-groups.{name}"), error));
            }
        }
        for name in self.ports.keys() {
            let whole = Spanned { node: GroupExpr::Variable(name), span: 0..0 };
            if let Err(error) = resolver.resolve_ports(&whole) {
                faults.push((format!("port-groups.{name}"), error));
            }
        }
        faults
    }
}

/// Resolves the groups of many rules: variables once, and equal sets shared.
#[derive(Debug)]
pub struct Resolver<'v> {
    vars: &'v Vars,
    address_vars: HashMap<String, Result<Parts<AddressRanges>, RuleError>>,
    port_vars: HashMap<String, Result<Parts<PortRanges>, RuleError>>,
    address_sets: HashMap<String, Arc<AddressSet>>,
    port_sets: HashMap<String, Arc<PortSet>>,
    shared_addresses: HashMap<Arc<AddressSet>, Arc<AddressSet>>,
    shared_ports: HashMap<Arc<PortSet>, Arc<PortSet>>,
}

impl<'v> Resolver<'v> {
    /// Over these variables.
    pub fn new(vars: &'v Vars) -> Self {
        Resolver {
            vars,
            address_vars: HashMap::new(),
            port_vars: HashMap::new(),
            address_sets: HashMap::new(),
            port_sets: HashMap::new(),
            shared_addresses: HashMap::new(),
            shared_ports: HashMap::new(),
        }
    }

    /// Groups that equal ones are to be one with.
    pub fn share<'a>(&mut self, sets: impl IntoIterator<Item = &'a Arc<AddressSet>>) {
        for set in sets {
            if !self.shared_addresses.contains_key(set) {
                self.shared_addresses.insert(Arc::clone(set), Arc::clone(set));
            }
        }
    }

    /// The same for ports.
    pub fn share_ports<'a>(&mut self, sets: impl IntoIterator<Item = &'a Arc<PortSet>>) {
        for set in sets {
            if !self.shared_ports.contains_key(set) {
                self.shared_ports.insert(Arc::clone(set), Arc::clone(set));
            }
        }
    }

    /// The addresses of a rule's group; `rule` is the text its span is about. Equal sets are one `Arc`.
    pub fn addresses(
        &mut self,
        rule: &str,
        group: &Spanned<GroupExpr<'_>>,
    ) -> Result<Arc<AddressSet>, RuleError> {
        let key = rule.get(group.span.clone()).unwrap_or("");
        if let Some(set) = self.address_sets.get(key).filter(|_| !key.is_empty()) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(self.resolve_addresses(group)?);
        let set = Arc::clone(self.shared_addresses.entry(Arc::clone(&set)).or_insert(set));
        if !key.is_empty() {
            self.address_sets.insert(key.to_owned(), Arc::clone(&set));
        }
        Ok(set)
    }

    /// The ports of a rule's group; `rule` is the text its span is about. Equal sets are one `Arc`.
    pub fn ports(&mut self, rule: &str, group: &Spanned<GroupExpr<'_>>) -> Result<Arc<PortSet>, RuleError> {
        let key = rule.get(group.span.clone()).unwrap_or("");
        if let Some(set) = self.port_sets.get(key).filter(|_| !key.is_empty()) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(self.resolve_ports(group)?);
        let set = Arc::clone(self.shared_ports.entry(Arc::clone(&set)).or_insert(set));
        if !key.is_empty() {
            self.port_sets.insert(key.to_owned(), Arc::clone(&set));
        }
        Ok(set)
    }

    fn resolve_addresses(&mut self, group: &Spanned<GroupExpr<'_>>) -> Result<AddressSet, RuleError> {
        let mut parts = Parts::default();
        self.add_addresses(group, &mut parts, &mut Vec::new())?;
        let set = addresses_of(parts);
        if set.is_empty() {
            return Err(empty(group, "address"));
        }
        Ok(set)
    }

    fn add_addresses(
        &mut self,
        group: &Spanned<GroupExpr<'_>>,
        parts: &mut Parts<AddressRanges>,
        within: &mut Vec<String>,
    ) -> Result<(), RuleError> {
        match &group.node {
            GroupExpr::Any => {
                parts.take.v4.push((0, u32::MAX));
                parts.take.v6.push((0, u128::MAX));
                parts.some = true;
            }
            GroupExpr::Item(text) => {
                parts.some = true;
                match parse_address(text).map_err(|(message, hint)| error(&group.span, message, hint))? {
                    AddressRange::V4(low, high) => parts.take.v4.push((low, high)),
                    AddressRange::V6(low, high) => parts.take.v6.push((low, high)),
                }
            }
            GroupExpr::List(items) => {
                for item in items {
                    self.add_addresses(item, parts, within)?;
                }
            }
            GroupExpr::Not(inner) => {
                single_negation(group, inner)?;
                let mut inside = Parts::default();
                self.add_addresses(inner, &mut inside, within)?;
                let set = addresses_of(inside);
                parts.leave.v4.extend_from_slice(set.ranges_v4());
                parts.leave.v6.extend_from_slice(set.ranges_v6());
            }
            GroupExpr::Variable(name) => {
                let found =
                    self.address_variable(name, within).map_err(|e| at_variable(e, &group.span, name))?;
                parts.some |= found.some;
                parts.take.extend(&found.take);
                parts.leave.extend(&found.leave);
            }
        }
        Ok(())
    }

    fn address_variable(
        &mut self,
        name: &str,
        within: &mut Vec<String>,
    ) -> Result<Parts<AddressRanges>, RuleError> {
        if let Some(known) = self.address_vars.get(name) {
            return known.clone();
        }
        let vars = self.vars;
        let text = variable(&vars.addresses, &vars.ports, name, within, "address")?;
        within.push(name.to_owned());
        let parts = parse_group(text).and_then(|group| {
            let mut parts = Parts::default();
            self.add_addresses(&group, &mut parts, within)?;
            // in normal form: variables that name a variable twice must not grow
            let tidy = |r: AddressRanges| {
                let set = AddressSet::from_ranges(r.v4, r.v6);
                AddressRanges { v4: set.ranges_v4().to_vec(), v6: set.ranges_v6().to_vec() }
            };
            Ok(Parts { take: tidy(parts.take), leave: tidy(parts.leave), some: parts.some })
        });
        within.pop();
        self.address_vars.insert(name.to_owned(), parts.clone());
        parts
    }

    fn resolve_ports(&mut self, group: &Spanned<GroupExpr<'_>>) -> Result<PortSet, RuleError> {
        let mut parts = Parts::default();
        self.add_ports(group, false, &mut parts, &mut Vec::new())?;
        let take = if parts.some { PortSet::from_ranges(parts.take) } else { PortSet::any() };
        let set = take.without(&PortSet::from_ranges(parts.leave));
        if set.is_empty() {
            return Err(empty(group, "port"));
        }
        Ok(set)
    }

    fn add_ports(
        &mut self,
        group: &Spanned<GroupExpr<'_>>,
        negated: bool,
        parts: &mut Parts<PortRanges>,
        within: &mut Vec<String>,
    ) -> Result<(), RuleError> {
        let range = match &group.node {
            GroupExpr::Any => (0, u16::MAX),
            GroupExpr::Item(text) => {
                parse_port(text).map_err(|(message, hint)| error(&group.span, message, hint))?
            }
            GroupExpr::List(items) => {
                for item in items {
                    self.add_ports(item, negated, parts, within)?;
                }
                return Ok(());
            }
            GroupExpr::Not(inner) => {
                single_negation(group, inner)?;
                return self.add_ports(inner, !negated, parts, within);
            }
            GroupExpr::Variable(name) => {
                let found =
                    self.port_variable(name, within).map_err(|e| at_variable(e, &group.span, name))?;
                let (take, leave) =
                    if negated { (found.leave, found.take) } else { (found.take, found.leave) };
                parts.some |= !take.is_empty();
                parts.take.extend(take);
                parts.leave.extend(leave);
                return Ok(());
            }
        };
        if negated {
            parts.leave.push(range);
        } else {
            parts.take.push(range);
            parts.some = true;
        }
        Ok(())
    }

    fn port_variable(
        &mut self,
        name: &str,
        within: &mut Vec<String>,
    ) -> Result<Parts<PortRanges>, RuleError> {
        if let Some(known) = self.port_vars.get(name) {
            return known.clone();
        }
        let vars = self.vars;
        let text = variable(&vars.ports, &vars.addresses, name, within, "port")?;
        within.push(name.to_owned());
        let parts = parse_group(text).and_then(|group| {
            let mut parts = Parts::default();
            self.add_ports(&group, false, &mut parts, within)?;
            let tidy = |ranges| PortSet::from_ranges(ranges).ranges().to_vec();
            Ok(Parts { take: tidy(parts.take), leave: tidy(parts.leave), some: parts.some })
        });
        within.pop();
        self.port_vars.insert(name.to_owned(), parts.clone());
        parts
    }
}

/// What a group adds and takes away.
#[derive(Clone, Debug, Default)]
struct Parts<R> {
    take: R,
    leave: R,
    /// Something is added: not only negations.
    some: bool,
}

type PortRanges = Vec<(u16, u16)>;

#[derive(Clone, Debug, Default)]
struct AddressRanges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AddressRanges {
    fn extend(&mut self, other: &AddressRanges) {
        self.v4.extend_from_slice(&other.v4);
        self.v6.extend_from_slice(&other.v6);
    }
}

fn addresses_of(parts: Parts<AddressRanges>) -> AddressSet {
    let take = match parts.some {
        true => AddressSet::from_ranges(parts.take.v4, parts.take.v6),
        false => AddressSet::any(),
    };
    take.without(&AddressSet::from_ranges(parts.leave.v4, parts.leave.v6))
}

fn variable<'v>(
    these: &'v BTreeMap<String, String>,
    others: &BTreeMap<String, String>,
    name: &str,
    within: &[String],
    kind: &str,
) -> Result<&'v str, RuleError> {
    if within.iter().any(|outer| outer == name) {
        return Err(RuleError::new(0..0, format!("the variable ${name} is defined by itself")));
    }
    if within.len() >= VARIABLE_DEPTH_MAX {
        return Err(RuleError::new(0..0, format!("variables nested deeper than {VARIABLE_DEPTH_MAX}")));
    }
    if let Some(text) = these.get(name) {
        return Ok(text);
    }
    let error = RuleError::new(0..0, format!("unknown variable ${name}"));
    Err(if let Some(similar) = did_you_mean(name, these.keys().map(String::as_str)) {
        error.hint(format!("did you mean ${similar}?"))
    } else if others.contains_key(name) {
        error.hint(format!("${name} is no {kind} group, but there is one of the other kind"))
    } else {
        error.hint(format!("define it in the configuration under vars.{kind}-groups"))
    })
}

/// A mistake in a variable is told where the variable stands.
fn at_variable(error: RuleError, span: &Range<usize>, name: &str) -> RuleError {
    let own = error.message == format!("unknown variable ${name}")
        || error.message == format!("the variable ${name} is defined by itself")
        || error.message.contains("nested deeper");
    let message = if own { error.message } else { format!("in ${name}: {}", error.message) };
    RuleError { span: span.clone(), message, ..error }
}

fn single_negation(group: &Spanned<GroupExpr<'_>>, inner: &Spanned<GroupExpr<'_>>) -> Result<(), RuleError> {
    match inner.node {
        GroupExpr::Not(_) => {
            Err(RuleError::new(group.span.start..inner.span.start + 1, "two negations in a row")
                .hint("take one or both of them away"))
        }
        _ => Ok(()),
    }
}

fn empty(group: &Spanned<GroupExpr<'_>>, kind: &str) -> RuleError {
    let error = RuleError::new(group.span.clone(), format!("no {kind} is left in this group"));
    match &group.node {
        GroupExpr::Not(inner) if inner.node == GroupExpr::Any => error.hint("!any matches nothing"),
        // with the variable as it stands in many configurations (any), what is outside it is nothing
        GroupExpr::Not(inner) => match variable_in(&inner.node) {
            Some(name) => {
                error.hint(format!("${name} holds all of them: set it to your own under vars.{kind}-groups"))
            }
            None => error.hint("the negated items cover all others"),
        },
        _ => error.hint("the negated items cover all others"),
    }
}

/// The first variable that a group names.
fn variable_in<'t>(group: &GroupExpr<'t>) -> Option<&'t str> {
    match group {
        GroupExpr::Variable(name) => Some(name),
        GroupExpr::List(items) => items.iter().find_map(|item| match &item.node {
            GroupExpr::Variable(name) => Some(*name),
            _ => None,
        }),
        _ => None,
    }
}

fn error(span: &Range<usize>, message: String, hint: Option<&str>) -> RuleError {
    let error = RuleError::new(span.clone(), message);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_variables_resolve() {
        let vars = Vars::usual();
        assert!(vars.check().is_empty());
        assert!(vars.parse_addresses("$EXTERNAL_NET").unwrap().is_any());
        assert_eq!(
            vars.parse_ports("$FILE_DATA_PORTS").unwrap().ranges(),
            &[(80, 80), (110, 110), (143, 143)]
        );
        assert!(!vars.parse_ports("$SHELLCODE_PORTS").unwrap().contains(80));
    }

    fn vars() -> Vars {
        let map =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        Vars {
            addresses: map(&[
                ("HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"),
                ("EXTERNAL_NET", "!$HOME_NET"),
                ("SERVERS", " $HOME_NET "),
                ("ANY", "any"),
                ("LOOP", "[$LOOP2]"),
                ("LOOP2", "!$LOOP"),
                ("BROKEN", "[10.0.0.0/99]"),
            ]),
            ports: map(&[
                ("HTTP_PORTS", "80"),
                ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
                ("NOT_WEB", "!80"),
            ]),
        }
    }

    #[test]
    fn address_groups_combine_as_in_suricata() {
        let ips = [
            "10.0.0.1",
            "10.1.1.1",
            "10.2.0.0",
            "11.0.0.1",
            "192.168.1.1",
            "1.1.1.1",
            "172.16.0.5",
            "10.1.1.2",
        ];
        let check = |group: &str, expected: &str| {
            let set = vars().parse_addresses(group).unwrap_or_else(|e| panic!("{group}: {e:?}"));
            let bits: String =
                ips.iter().map(|ip| if set.contains(ip.parse().unwrap()) { '1' } else { '0' }).collect();
            assert_eq!(bits, expected, "{group}");
        };
        // each row was seen in Suricata 7.0.10
        check("![10.0.0.0/8,!10.1.1.1]", "01011110");
        check("[192.168.0.0/16,![10.0.0.0/8,!10.1.1.1]]", "00001000");
        check("[10.0.0.0/8,[11.0.0.0/8,!10.1.1.1]]", "10110001");
        check("[10.0.0.0/8,![10.1.1.1,10.2.0.0]]", "10000001");
        check("!$EXTERNAL_NET", "11101011");
        check("[10.0.0.0/8,!10.1.0.0/16,10.1.1.1]", "10100000");
        check("[!10.0.0.0/8,!11.0.0.1]", "00001110");
        check("![!10.0.0.1]", "10000000");
        check("[any,!10.0.0.0/8]", "00011110");
        check("10.0.0.0/8,!10.1.1.1", "10100001");
        check("[10.0.0.0/8,![!10.1.1.1]]", "01000000");
        check("$SERVERS", "11101011");
        check("any", "11111111");
        assert!(vars().parse_addresses("$ANY").unwrap().is_any());
        assert!(vars().parse_addresses("!10.0.0.0/8").unwrap().contains("fe80::1".parse().unwrap()));
    }

    #[test]
    fn port_groups_combine_as_in_suricata() {
        let ports = [1, 79, 80, 81, 82, 1023, 1024, 65_535];
        let check = |group: &str, expected: &[u16]| {
            let set = vars().parse_ports(group).unwrap_or_else(|e| panic!("{group}: {e:?}"));
            let found: Vec<u16> = ports.into_iter().filter(|&port| set.contains(port)).collect();
            assert_eq!(found, expected, "{group}");
        };
        // each row was seen in Suricata 7.0.10
        check("![80,!81]", &[81]);
        check("[!80,!81]", &[1, 79, 82, 1023, 1024, 65_535]);
        check("![!80]", &[80]);
        check("[79:82,![80:81]]", &[79, 82]);
        check("[79:82,[1024,!80]]", &[79, 81, 82, 1024]);
        check("[!80,81]", &[81]);
        check(":80", &[1, 79, 80]);
        check("1024:", &[1024, 65_535]);
        check(":", &ports);
        check("[1:100,!80,80]", &[1, 79, 81, 82]);
        check("80,81", &[80, 81]);
        check("![80,81]", &[1, 79, 82, 1023, 1024, 65_535]);
        check("$FILE_DATA_PORTS", &[80]);
        check("!$HTTP_PORTS", &[1, 79, 81, 82, 1023, 1024, 65_535]);
        check("[79:82,!80:]", &[79]);
        check("!$NOT_WEB", &[80]);
    }

    #[test]
    fn mistakes_are_told_where_they_stand() {
        let check = |group: &str, span: Range<usize>, message: &str, hint: &str| {
            let error = vars().parse_addresses(group).unwrap_err();
            assert_eq!(
                (error.span, error.message.as_str(), error.hint.as_deref()),
                (span, message, Some(hint)),
                "{group}"
            );
        };
        check("$HOME_NETT", 0..10, "unknown variable $HOME_NETT", "did you mean $HOME_NET?");
        check(
            "[1.1.1.1,$home]",
            9..14,
            "unknown variable $home",
            "define it in the configuration under vars.address-groups",
        );
        check(
            "$HTTP_PORTS",
            0..11,
            "unknown variable $HTTP_PORTS",
            "$HTTP_PORTS is no address group, but there is one of the other kind",
        );
        check("!any", 0..4, "no address is left in this group", "!any matches nothing");
        check(
            "[$EXTERNAL_NET,10.1.1.1]",
            0..24,
            "no address is left in this group",
            "the negated items cover all others",
        );
        check("!!10.0.0.1", 0..2, "two negations in a row", "take one or both of them away");
        check("[1.1.1.1, 10.0.0.0/33]", 10..21, "bad prefix length in \"10.0.0.0/33\"", "0 to 32");
        check("[$BROKEN]", 1..8, "in $BROKEN: bad prefix length in \"10.0.0.0/99\"", "0 to 32");
        let message = |group: &str| vars().parse_addresses(group).unwrap_err().message;
        assert_eq!(message("$LOOP"), "in $LOOP: in $LOOP2: the variable $LOOP is defined by itself");
        let message = |group: &str| vars().parse_ports(group).unwrap_err().message;
        assert_eq!(message("!any"), "no port is left in this group");
        assert_eq!(message("[80,!80]"), "no port is left in this group");
        assert_eq!(message("![1:100,!80]"), "no port is left in this group");
        assert_eq!(
            vars().check().into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["address-groups.BROKEN", "address-groups.LOOP", "address-groups.LOOP2"]
        );
    }

    #[test]
    fn variables_that_double_each_other_stay_small() {
        let mut vars = Vars::default();
        vars.addresses.insert("V0".into(), "[10.0.0.1,10.0.0.3]".into());
        vars.ports.insert("V0".into(), "[1,3]".into());
        for n in 1..30 {
            let text = format!("[$V{m},$V{m},!$V{m},$V{m}]", m = n - 1);
            vars.ports.insert(format!("V{n}"), text.replace('!', ""));
            vars.addresses.insert(format!("V{n}"), text.replace('!', ""));
        }
        assert_eq!(vars.parse_addresses("$V29").unwrap().ranges_v4().len(), 2);
        assert_eq!(vars.parse_ports("$V29").unwrap().ranges(), [(1, 1), (3, 3)]);
    }

    #[test]
    fn equal_sets_are_shared() {
        let vars = vars();
        let mut resolver = Resolver::new(&vars);
        let mut get = |text: &str| resolver.addresses(text, &parse_group(text).unwrap()).unwrap();
        let (a, b, c) =
            (get("$HOME_NET"), get("[172.16.0.0/12,10.0.0.0/8,192.168.0.0/16]"), get("$HOME_NET"));
        assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&a, &c));
    }
}
