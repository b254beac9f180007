//! The API of Kubernetes, and that of its kubelets: verb, resource, namespace, who asks, what makes a pod dangerous.
//!
//! Verbs and resources are those that RBAC knows. Bodies are read in JSON; those in YAML and protocol buffers are not. Core
//! resources are known by their names, others by their API group, so an application that has the same paths looks the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::{self, Scalar};
use super::{FIRST, Request, VALUES_MAX, View, asked, cut, in_body, in_body_each};
use crate::app::Slot;
use crate::protocols::exchange::{Field, Shape, buffer};
use crate::protocols::values::Values;

const VERB: Slot = Slot(FIRST);
const RESOURCE: Slot = Slot(FIRST + 1);
const SUBRESOURCE: Slot = Slot(FIRST + 2);
const NAMESPACE: Slot = Slot(FIRST + 3);
const NAME: Slot = Slot(FIRST + 4);
const GROUP: Slot = Slot(FIRST + 5);
const USER: Slot = Slot(FIRST + 6);
const COMMAND: Slot = Slot(FIRST + 7);
const CONTAINER: Slot = Slot(FIRST + 8);
const IMAGE: Slot = Slot(FIRST + 11);
const RISK: Slot = Slot(FIRST + 12);
const ROLE: Slot = Slot(FIRST + 13);

pub(super) const VIEW: View = View {
    name: "k8s",
    buffers: &[
        buffer(
            "k8s.verb",
            "what is asked of the Kubernetes API: get, list, watch, create, update, patch, delete",
            &[asked(VERB)],
        ),
        buffer("k8s.resource", "the resource that is asked for: pods, secrets", &[asked(RESOURCE)]),
        buffer(
            "k8s.subresource",
            "the part of it that is asked for: exec, log, token",
            &[asked(SUBRESOURCE)],
        ),
        buffer("k8s.namespace", "the namespace it is in", &[asked(NAMESPACE)]),
        buffer("k8s.name", "the name of the object", &[in_body(NAME)]),
        buffer("k8s.group", "the API group: apps, rbac.authorization.k8s.io; core has none", &[asked(GROUP)]),
        buffer(
            "k8s.user",
            "who asks: who is impersonated, or the subject that a token names",
            &[asked(USER)],
        ),
        buffer(
            "k8s.command",
            "each word of a command that is to run in a container",
            &[in_body_each(COMMAND)],
        ),
        buffer("k8s.image", "each image of a pod that is made", &[in_body_each(IMAGE)]),
        buffer(
            "k8s.risk",
            "what makes a pod dangerous: privileged, host_pid, host_network, host_ipc, host_path:/, capability:SYS_ADMIN",
            &[in_body_each(RISK)],
        ),
        buffer("k8s.role", "the role that is bound", &[in_body(ROLE)]),
    ],
    request,
    body,
    fields: &[
        Field("verb", VERB, Shape::Text),
        Field("group", GROUP, Shape::Text),
        Field("resource", RESOURCE, Shape::Text),
        Field("subresource", SUBRESOURCE, Shape::Text),
        Field("namespace", NAMESPACE, Shape::Text),
        Field("name", NAME, Shape::Text),
        Field("container", CONTAINER, Shape::Text),
        Field("user", USER, Shape::Text),
        Field("command", COMMAND, Shape::List),
        Field("images", IMAGE, Shape::List),
        Field("risks", RISK, Shape::List),
        Field("role", ROLE, Shape::Text),
    ],
};

/// Resources of the core group.
const CORE: &[&[u8]] = &[
    b"bindings",
    b"componentstatuses",
    b"configmaps",
    b"endpoints",
    b"events",
    b"limitranges",
    b"namespaces",
    b"nodes",
    b"persistentvolumeclaims",
    b"persistentvolumes",
    b"pods",
    b"podtemplates",
    b"replicationcontrollers",
    b"resourcequotas",
    b"secrets",
    b"serviceaccounts",
    b"services",
];

/// Groups without a dot in their name.
const GROUPS: &[&[u8]] = &[b"apps", b"autoscaling", b"batch", b"extensions", b"policy"];

fn request(request: &Request<'_>, values: &mut Values) -> bool {
    let path = request.path();
    match path.get(..5) {
        Some(b"/api/" | b"/apis") => api(request, values),
        Some(b"/exec" | b"/run/" | b"/atta" | b"/port") => kubelet(request, values),
        _ => false,
    }
}

/// `/api/v1/namespaces/shop/pods/web/exec`, `/apis/apps/v1/deployments`
fn api(request: &Request<'_>, values: &mut Values) -> bool {
    let segments = request.segments();
    let mut rest: &[Vec<u8>] = &segments;
    let group: &[u8] = match rest {
        [api, version, behind @ ..] if api == b"api" && version == b"v1" => {
            rest = behind;
            b""
        }
        [apis, group, version, behind @ ..] if apis == b"apis" => {
            let known = group.contains(&b'.') || GROUPS.contains(&&group[..]);
            if !known || !is_version(version) {
                return false;
            }
            rest = behind;
            group
        }
        _ => return false,
    };
    let mut watched = false;
    if let [watch, behind @ ..] = rest
        && watch == b"watch"
    {
        watched = true;
        rest = behind;
    }
    // what is in a namespace; the namespace's own parts are asked for with two words
    let mut namespace = None;
    if let [namespaces, name, kind, behind @ ..] = rest
        && namespaces == b"namespaces"
        && !(behind.is_empty() && matches!(&kind[..], b"status" | b"finalize"))
    {
        namespace = Some(name);
        rest = rest.get(2..).unwrap_or_default();
    }
    let Some((resource, behind)) = rest.split_first() else { return false };
    if group.is_empty() && !CORE.contains(&&resource[..]) {
        return false;
    }
    let name = behind.first();
    let given = |key: &[u8]| request.parameter(key).is_some_and(|value| value == b"true" || value == b"1");
    let verb: &[u8] = match request.method {
        b"GET" | b"HEAD" if watched || given(b"watch") => b"watch",
        b"GET" | b"HEAD" if name.is_some() => b"get",
        b"GET" | b"HEAD" => b"list",
        b"POST" => b"create",
        b"PUT" => b"update",
        b"PATCH" => b"patch",
        b"DELETE" if name.is_some() => b"delete",
        b"DELETE" => b"deletecollection",
        _ => return false,
    };
    values.push(VERB, verb);
    if !group.is_empty() {
        values.push(GROUP, group);
    }
    values.push(RESOURCE, resource);
    if let Some(namespace) = namespace {
        values.push(NAMESPACE, namespace);
    }
    if let Some(name) = name {
        values.push(NAME, name);
    }
    if let Some(part) = behind.get(1) {
        values.push(SUBRESOURCE, part);
    }
    common(request, values);
    true
}

/// `/exec/shop/web/app?command=id`: what a kubelet is asked for by whoever passes the API server by.
fn kubelet(request: &Request<'_>, values: &mut Values) -> bool {
    let segments = request.segments();
    let [what, namespace, pod, rest @ ..] = &segments[..] else { return false };
    let part: &[u8] = match &what[..] {
        b"exec" if request.parameter(b"command").is_some() => b"exec",
        b"run" if request.method == b"POST" => b"run",
        b"attach" => b"attach",
        b"portForward" => b"portforward",
        _ => return false,
    };
    if rest.len() != usize::from(part != b"portforward") {
        return false;
    }
    values.push(VERB, if request.method == b"GET" { b"get" } else { b"create" });
    values.push(RESOURCE, b"pods");
    values.push(SUBRESOURCE, part);
    values.push(NAMESPACE, namespace);
    values.push(NAME, pod);
    if let Some(container) = rest.first() {
        values.push(CONTAINER, container);
    }
    common(request, values);
    true
}

/// What both APIs have.
fn common(request: &Request<'_>, values: &mut Values) {
    for word in request.parameters(b"command").chain(request.parameters(b"cmd")) {
        values.push(COMMAND, &word);
    }
    if let Some(container) = request.parameter(b"container") {
        values.push(CONTAINER, &container);
    }
    let impersonated = (request.header)("impersonate-user").map(<[u8]>::to_vec);
    let named = || subject((request.header)("authorization")?);
    if let Some(user) = impersonated.or_else(named) {
        values.push(USER, cut(&user));
    }
}

/// The subject of a bearer token, which nobody has verified here.
fn subject(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") || token.len() > 16 << 10 {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split(|byte| *byte == b'.').nth(1)?).ok()?;
    let mut subject = None;
    json::walk(&claims, &mut |path, value| {
        if let (Scalar::Text(text), [name]) = (value, path)
            && name == b"sub"
        {
            subject = Some(text);
        }
    });
    subject
}

/// `v1`, `v1beta2`, `v2alpha1`
fn is_version(text: &[u8]) -> bool {
    matches!(text, [b'v', digit, ..] if digit.is_ascii_digit()) && text.iter().all(u8::is_ascii_alphanumeric)
}

fn body(_request: &Request<'_>, body: &[u8], values: &mut Values) {
    let mut left = VALUES_MAX;
    json::walk(body, &mut |path, value| {
        let [.., outer, name] = path else { return };
        let found = match (&outer[..], &name[..], value) {
            (_, b"privileged", Scalar::Bool(true)) => (RISK, b"privileged".to_vec()),
            (_, b"hostPID", Scalar::Bool(true)) => (RISK, b"host_pid".to_vec()),
            (_, b"hostNetwork", Scalar::Bool(true)) => (RISK, b"host_network".to_vec()),
            (_, b"hostIPC", Scalar::Bool(true)) => (RISK, b"host_ipc".to_vec()),
            (b"hostPath", b"path", Scalar::Text(path)) => (RISK, [b"host_path:", cut(&path)].concat()),
            (b"add", b"", Scalar::Text(name)) if path.iter().any(|name| name == b"capabilities") => {
                (RISK, [b"capability:", cut(&name)].concat())
            }
            (b"command" | b"args", b"", Scalar::Text(word)) => (COMMAND, word),
            (_, b"image", Scalar::Text(image)) => (IMAGE, image),
            (b"metadata", b"name", Scalar::Text(name)) if path.len() == 2 => (NAME, name),
            (b"roleRef", b"name", Scalar::Text(role)) => (ROLE, role),
            _ => return,
        };
        if left > 0 {
            left -= 1;
            values.push(found.0, cut(&found.1));
        }
    });
}
