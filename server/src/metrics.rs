//! The process's metrics, in Prometheus' text format.

use dunlin_hub::{Usage, presence};
use metrics::{counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Installs the recorder, once in a process, and returns the handle that renders it.
pub(crate) fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // An embedding application may have a recorder of its own: then the numbers go there.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}

/// Who is present now.
pub(crate) fn presence(usage: &presence::Usage) {
    gauge!("dunlin_presence_topics").set(usage.topics as f64);
    gauge!("dunlin_presence_entries").set(usage.entries as f64);
    counter!("dunlin_presence_refused_total").absolute(usage.refused);
}

/// What the hub holds now.
pub(crate) fn hub(usage: &Usage) {
    gauge!("dunlin_topics").set(usage.topics as f64);
    gauge!("dunlin_readers").set(usage.readers as f64);
    gauge!("dunlin_history_bytes").set(usage.bytes as f64);
    counter!("dunlin_publishes_refused_total").absolute(usage.full);
}
