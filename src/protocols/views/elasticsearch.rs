//! Elasticsearch and OpenSearch over HTTP: which API is asked, about which index, and scripts that are sent.
//!
//! Known by the segment of the path that begins with an underscore and names an API (`/shop/_search`); requests without one
//! (`DELETE /shop`) cannot be told from those of others.

use super::json::{self, Scalar};
use super::{FIRST, Request, VALUES_MAX, View, asked, cut, in_body_each};
use crate::app::Slot;
use crate::protocols::exchange::{Field, Shape, buffer};
use crate::protocols::values::Values;

const API: Slot = Slot(FIRST + 0x300);
const INDEX: Slot = Slot(FIRST + 0x301);
const SCRIPT: Slot = Slot(FIRST + 0x302);
const METHOD: Slot = Slot(FIRST + 0x303);

pub(super) const VIEW: View = View {
    name: "elasticsearch",
    buffers: &[
        buffer("elasticsearch.api", "the API that is asked: _search, _bulk, _cat/indices", &[asked(API)]),
        buffer("elasticsearch.index", "the index, or several with commas between", &[asked(INDEX)]),
        buffer("elasticsearch.script", "each script that is sent", &[in_body_each(SCRIPT)]),
    ],
    request,
    body,
    fields: &[
        Field("method", METHOD, Shape::Text),
        Field("api", API, Shape::Text),
        Field("index", INDEX, Shape::Text),
        Field("scripts", SCRIPT, Shape::List),
    ],
};

/// APIs that stand behind an index or alone.
const APIS: &[&[u8]] = &[
    b"_alias",
    b"_aliases",
    b"_all",
    b"_analyze",
    b"_async_search",
    b"_bulk",
    b"_cache",
    b"_cat",
    b"_close",
    b"_cluster",
    b"_count",
    b"_create",
    b"_data_stream",
    b"_delete_by_query",
    b"_doc",
    b"_eql",
    b"_explain",
    b"_field_caps",
    b"_flush",
    b"_forcemerge",
    b"_ilm",
    b"_index_template",
    b"_ingest",
    b"_mapping",
    b"_mget",
    b"_msearch",
    b"_nodes",
    b"_open",
    b"_pit",
    b"_plugins",
    b"_recovery",
    b"_refresh",
    b"_reindex",
    b"_render",
    b"_scripts",
    b"_search",
    b"_security",
    b"_segments",
    b"_settings",
    b"_shrink",
    b"_snapshot",
    b"_source",
    b"_split",
    b"_sql",
    b"_stats",
    b"_tasks",
    b"_template",
    b"_termvectors",
    b"_update",
    b"_update_by_query",
    b"_validate",
    b"_xpack",
];

fn request(request: &Request<'_>, values: &mut Values) -> bool {
    if memchr::memmem::find(request.path(), b"/_").is_none() {
        return false;
    }
    let segments = request.segments();
    let Some(at) = segments.iter().take(3).position(|segment| APIS.contains(&&segment[..])) else {
        return false;
    };
    let api = &segments[at];
    // every index at once
    let (index, api) = match (at, &api[..]) {
        (0, b"_all") => (Some(api), segments.get(1).unwrap_or(api)),
        (0, _) => (None, api),
        _ => (segments.first(), api),
    };
    values.push(METHOD, request.method);
    // what some APIs are asked for is half of what they do
    match (&api[..], segments.get(at + 1)) {
        (
            b"_cat" | b"_cluster" | b"_nodes" | b"_security" | b"_snapshot" | b"_plugins" | b"_xpack",
            Some(part),
        ) => {
            values.push(API, cut(&[&api[..], b"/", part].concat()));
        }
        _ => values.push(API, api),
    }
    if let Some(index) = index {
        values.push(INDEX, index);
    }
    true
}

fn body(_request: &Request<'_>, body: &[u8], values: &mut Values) {
    let mut left = VALUES_MAX;
    json::walk(body, &mut |path, value| {
        let (Some((name, outer)), Scalar::Text(text)) = (path.split_last(), value) else { return };
        let inside = || outer.iter().any(|name| memchr::memmem::find(name, b"script").is_some());
        let is_script = name == b"script" || matches!(&name[..], b"source" | b"inline") && inside();
        if is_script && left > 0 {
            left -= 1;
            values.push(SCRIPT, cut(&text));
        }
    });
}
