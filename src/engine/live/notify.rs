//! Tells the service manager how it goes, as `sd_notify(3)` has it. Without `NOTIFY_SOCKET` nothing is told.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager.
#[derive(Debug, Default)]
pub struct Notify(Option<UnixDatagram>);

impl Notify {
    /// The one that the environment names. To be made before files are out of reach.
    pub fn from_environment() -> Self {
        Notify(std::env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok()))
    }

    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    pub(super) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reading rules anew\n"));
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ending\n");
    }

    fn tell(&self, what: &str) {
        if let Some(socket) = &self.0 {
            // whoever started us may not listen any more
            let _ = socket.send(what.as_bytes());
        }
    }
}

/// To a socket by its path, or by a name that is in no folder (`@name`).
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address?)?;
    // one who does not read is waited for by nobody
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_is_told() {
        let name = format!("mamparo-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).expect("a name");
        let manager = UnixDatagram::bind_addr(&address).expect("a socket");
        let notify = Notify(Some(connect(OsStr::new(&format!("@{name}"))).expect("it listens")));
        let heard = || -> String {
            let mut bytes = [0; 256];
            let len = manager.recv(&mut bytes).expect("a message");
            String::from_utf8_lossy(&bytes[..len]).into_owned()
        };
        notify.ready("3 rules in use");
        assert_eq!(heard(), "READY=1\nSTATUS=3 rules in use\n");
        notify.reloading();
        assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        notify.stopping();
        assert!(heard().starts_with("STOPPING=1\n"));
        Notify::default().stopping();
    }
}
