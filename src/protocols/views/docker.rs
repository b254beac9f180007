//! The Engine API of Docker (and of Podman, which has the same): resource, action, image, command, what makes a container dangerous.
//!
//! Known by the version in the path, or without one by the forms that no other API has.

use super::json::{self, Scalar};
use super::{FIRST, Request, VALUES_MAX, View, asked, cut, in_body_each};
use crate::app::Slot;
use crate::protocols::exchange::{Field, Shape, buffer};
use crate::protocols::values::Values;

const RESOURCE: Slot = Slot(FIRST + 0x100);
const ACTION: Slot = Slot(FIRST + 0x101);
const ID: Slot = Slot(FIRST + 0x102);
const IMAGE: Slot = Slot(FIRST + 0x103);
const COMMAND: Slot = Slot(FIRST + 0x105);
const RISK: Slot = Slot(FIRST + 0x106);

pub(super) const VIEW: View = View {
    name: "docker",
    buffers: &[
        buffer(
            "docker.resource",
            "the resource that is asked for: containers, images, exec, swarm",
            &[asked(RESOURCE)],
        ),
        buffer(
            "docker.action",
            "what is done with it: list, create, start, exec, inspect, delete",
            &[asked(ACTION)],
        ),
        buffer("docker.id", "its id or name", &[asked(ID)]),
        buffer("docker.image", "the image that is pulled or run", &[in_body_each(IMAGE)]),
        buffer(
            "docker.command",
            "each word of a command that is to run in a container",
            &[in_body_each(COMMAND)],
        ),
        buffer(
            "docker.risk",
            "what makes a container dangerous: privileged, host_pid, host_network, host_ipc, host_path:/, capability:SYS_ADMIN, \
             device:/dev/sda, security:…",
            &[in_body_each(RISK)],
        ),
    ],
    request,
    body,
    fields: &[
        Field("resource", RESOURCE, Shape::Text),
        Field("action", ACTION, Shape::Text),
        Field("id", ID, Shape::Text),
        Field("image", IMAGE, Shape::Text),
        Field("command", COMMAND, Shape::List),
        Field("risks", RISK, Shape::List),
    ],
};

/// Resources of the API.
const RESOURCES: &[&[u8]] = &[
    b"auth",
    b"build",
    b"commit",
    b"configs",
    b"containers",
    b"distribution",
    b"events",
    b"exec",
    b"images",
    b"info",
    b"networks",
    b"nodes",
    b"plugins",
    b"pods",
    b"secrets",
    b"services",
    b"session",
    b"swarm",
    b"system",
    b"tasks",
    b"version",
    b"volumes",
    b"_ping",
];

/// What the last segment may be when it is no id.
const ACTIONS: &[&[u8]] = &[
    b"archive",
    b"attach",
    b"changes",
    b"connect",
    b"create",
    b"disconnect",
    b"exec",
    b"export",
    b"get",
    b"history",
    b"init",
    b"join",
    b"json",
    b"kill",
    b"leave",
    b"load",
    b"logs",
    b"pause",
    b"prune",
    b"push",
    b"rename",
    b"resize",
    b"restart",
    b"search",
    b"start",
    b"stats",
    b"stop",
    b"tag",
    b"top",
    b"unpause",
    b"update",
    b"wait",
];

fn request(request: &Request<'_>, values: &mut Values) -> bool {
    let path = request.path();
    let versioned = matches!(path, [b'/', b'v', digit, ..] if digit.is_ascii_digit());
    let bare =
        [&b"/containers/"[..], b"/exec/", b"/images/", b"/_ping"].iter().any(|start| path.starts_with(start));
    if !versioned && !bare {
        return false;
    }
    let segments = request.segments();
    let mut rest = &segments[..];
    if versioned {
        let Some((version, behind)) = rest.split_first() else { return false };
        if !is_version(version) {
            return false;
        }
        rest = behind;
    }
    if let [first, behind @ ..] = rest
        && first == b"libpod"
        && versioned
    {
        rest = behind;
    }
    let Some((resource, behind)) = rest.split_first() else { return false };
    if !RESOURCES.contains(&&resource[..]) {
        return false;
    }
    let last = behind.last().map_or(&b""[..], |last| last);
    let known = ACTIONS.contains(&last);
    // names of images have slashes
    let id = behind.get(..behind.len() - usize::from(known)).unwrap_or_default().join(&b'/');
    if !versioned {
        let hex = id.len() == 64 && id.iter().all(u8::is_ascii_hexdigit);
        let sure = match &resource[..] {
            b"containers" => known,
            b"images" => matches!(last, b"json" | b"create" | b"load" | b"search" | b"prune" | b"get"),
            b"exec" => hex && matches!(last, b"start" | b"json" | b"resize"),
            _ => behind.is_empty(),
        };
        if !sure {
            return false;
        }
    }
    let action: &[u8] = match (last, request.method) {
        (b"json", _) if id.is_empty() => b"list",
        (b"json", _) => b"inspect",
        (b"archive", b"PUT") => b"upload",
        (b"archive", _) => b"download",
        (action, _) if known => action,
        (_, b"DELETE") => b"delete",
        (_, b"POST") => b"create",
        (_, _) if id.is_empty() => b"list",
        _ => b"inspect",
    };
    values.push(RESOURCE, resource);
    values.push(ACTION, action);
    if !id.is_empty() {
        values.push(ID, cut(&id));
    }
    if let Some(image) = request.parameter(b"fromImage") {
        values.push(IMAGE, &image);
    }
    true
}

/// `v1.41`, Podman's `v4.0.0`
fn is_version(text: &[u8]) -> bool {
    text.contains(&b'.') && text.iter().skip(1).all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

fn body(_request: &Request<'_>, body: &[u8], values: &mut Values) {
    let mut left = VALUES_MAX;
    json::walk(body, &mut |path, value| {
        let Some((name, outer)) = path.split_last() else { return };
        let outer = outer.last().map_or(&b""[..], |outer| outer);
        let risk = |what: &[u8]| (RISK, what.to_vec());
        let (slot, text) = match (outer, &name[..], value) {
            (_, b"Privileged", Scalar::Bool(true)) => risk(b"privileged"),
            (_, b"PidMode", Scalar::Text(mode)) if mode == b"host" => risk(b"host_pid"),
            (_, b"NetworkMode", Scalar::Text(mode)) if mode == b"host" => risk(b"host_network"),
            (_, b"IpcMode", Scalar::Text(mode)) if mode == b"host" => risk(b"host_ipc"),
            (_, b"UsernsMode", Scalar::Text(mode)) if mode == b"host" => risk(b"host_users"),
            (b"Binds", b"", Scalar::Text(bind)) if bind.starts_with(b"/") => {
                let host = bind.split(|byte| *byte == b':').next().unwrap_or_default();
                (RISK, [b"host_path:", host].concat())
            }
            (_, b"Source", Scalar::Text(path)) if path.starts_with(b"/") => {
                (RISK, [b"host_path:", &path[..]].concat())
            }
            (b"CapAdd", b"", Scalar::Text(name)) => {
                (RISK, [b"capability:", name.strip_prefix(b"CAP_").unwrap_or(&name)].concat())
            }
            (_, b"PathOnHost", Scalar::Text(path)) => (RISK, [b"device:", &path[..]].concat()),
            (b"SecurityOpt", b"", Scalar::Text(option)) if option.ends_with(b"unconfined") => {
                (RISK, [b"security:", &option[..]].concat())
            }
            (b"Cmd" | b"Entrypoint", b"", Scalar::Text(word)) => (COMMAND, word),
            (b"", b"Image", Scalar::Text(image)) => (IMAGE, image),
            _ => return,
        };
        if left > 0 {
            left -= 1;
            values.push(slot, cut(&text));
        }
    });
}
