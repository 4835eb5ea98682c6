//! A network namespace with a name, which ends with its owner.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use super::command::run;

/// What the names of all labs' namespaces begin with; then come the process that owns it, a number, and its part.
const PREFIX: &str = "dunlin-lab-";

/// A network namespace; when dropped it is removed, with every process in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace for this part of this process's lab of this number.
    ///
    /// # Errors
    /// Not root, or a kernel without namespaces.
    pub async fn create(lab: u32, part: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{lab}-{part}", std::process::id());
        run(&format!("ip netns add {name}"))
            .await
            .context("network namespaces cannot be made here; the lab needs root on Linux, and iproute2")?;
        let namespace = Self { name };
        namespace.ip("link set lo up").await?;
        // A phone on an IPv4-only network has no IPv6 addresses whose coming and going tell of the link.
        namespace.set("net.ipv6.conf.all.disable_ipv6=1").await?;
        Ok(namespace)
    }

    /// The name, for `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` here.
    ///
    /// # Errors
    /// What it complains about.
    pub async fn ip(&self, arguments: &str) -> Result<String> {
        run(&format!("ip -n {} {arguments}", self.name)).await
    }

    /// Sets a parameter of the kernel here.
    ///
    /// # Errors
    /// What `sysctl` complains about.
    pub async fn set(&self, parameter: &str) -> Result<()> {
        // The kernel tries again and again until nobody else configures a network. In a lab of real-time priority that
        // would keep whoever does from ever being done.
        self.run(&format!("chrt --other 0 sysctl -qw {parameter}")).await.map(drop)
    }

    /// Runs a command here.
    ///
    /// # Errors
    /// What it complains about.
    pub async fn run(&self, line: &str) -> Result<String> {
        run(&self.inside(line)).await
    }

    /// The command line that runs `line` here. The process keeps its id: nothing forks on the way.
    #[must_use]
    pub fn inside(&self, line: &str) -> String {
        format!("ip netns exec {} {line}", self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes the namespaces of labs that were killed before they could.
pub fn remove_stale() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        if owner(&name).is_some_and(|pid| !is_a_lab(pid)) {
            eprintln!("lab: removing {name}, which a killed lab left behind");
            remove(&name);
        }
    }
}

/// The process that made a namespace of this name, if a lab did.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Whether a process is there and runs this program: ids are used again.
fn is_a_lab(pid: u32) -> bool {
    let program = |process: &str| fs::read_to_string(format!("/proc/{process}/comm")).ok();
    program(&pid.to_string()).is_some_and(|name| Some(name) == program("self"))
}

/// Clean-up goes on whatever fails: the next lab tries again.
fn remove(name: &str) {
    if let Ok(inside) = Command::new("ip").args(["netns", "pids", name]).output() {
        for pid in String::from_utf8_lossy(&inside.stdout).split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", pid]).output();
        }
    }
    let _ = Command::new("ip").args(["netns", "del", name]).output();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_stands_in_the_name() {
        assert_eq!(owner("dunlin-lab-4711-3-client"), Some(4711));
        assert_eq!(owner("dunlin-lab-x-3-client"), None);
        assert_eq!(owner("somebody-elses"), None);
    }

    #[test]
    fn a_process_that_is_not_there_is_no_lab() {
        assert!(is_a_lab(std::process::id()));
        assert!(!is_a_lab(u32::MAX));
    }
}
