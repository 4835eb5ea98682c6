//! Tests that change the network: they run themselves again in a network namespace, where they are alone.

use std::{any::type_name, env, process::Command};

/// Set in the namespace.
const INSIDE: &str = "DUNLIN_TEST_NAMESPACE";

/// Runs the story that is all of a test in a new network namespace, in which `lo` is up and nothing else is there.
/// Where the kernel allows none, the test fails.
pub(crate) fn in_a_namespace<F: AsyncFnOnce()>(story: F) {
    if env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("there are threads and sockets for a runtime").block_on(story());
    }
    // The crate, the modules, the test, and the closure in it.
    let path = type_name::<F>().split_once("::").expect("a path").1;
    let test = path.split_once("::{{").map_or(path, |(test, _)| test);
    let inside = Command::new("unshare")
        .args(["--map-root-user", "--net"])
        .arg(env::current_exe().expect("this program has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare, of util-linux, can be run");
    let (out, err) = (String::from_utf8_lossy(&inside.stdout), String::from_utf8_lossy(&inside.stderr));
    assert!(
        inside.status.success() && out.contains("1 passed"),
        "{test}, in a network namespace, which this kernel must allow: {}\n{out}\n{err}",
        inside.status,
    );
    print!("{out}");
}

/// Changes the network of the namespace.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.expect("ip, of iproute2, can be run");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
