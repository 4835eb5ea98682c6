//! What `dunlin certs` shows.

use std::{io, path::Path, time::SystemTime};

use console::style;
use dunlin_certs::inspect::Facts;
use serde_json::json;

use crate::{
    say,
    text::{moment, printable, rfc3339, span},
};

/// The form of the report, and the time it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) json: bool,
    pub(super) now: SystemTime,
}

impl Report {
    /// What one certificate says, and what is wrong with it.
    pub(super) fn certificate(self, file: &Path, facts: &Facts) -> io::Result<()> {
        if self.json { self.object(file, facts) } else { self.lines(file, facts) }
    }

    fn object(self, file: &Path, facts: &Facts) -> io::Result<()> {
        let problems: Vec<_> = facts.problems(self.now).iter().map(ToString::to_string).collect();
        say::line(json!({
            "type": "certificate",
            "file": file.display().to_string(),
            "position": facts.position,
            "subject": facts.subject,
            "issuer": facts.issuer,
            "names": facts.names,
            "not_before": rfc3339(facts.not_before),
            "not_after": rfc3339(facts.not_after),
            "key": facts.key.to_string(),
            "sha256": facts.fingerprint.to_string(),
            "is_authority": facts.is_authority,
            "accepted_by_hash": facts.is_accepted_by_hash(),
            "problems": problems,
        }))
    }

    fn lines(self, file: &Path, facts: &Facts) -> io::Result<()> {
        let role = if facts.position == 0 { "server's own" } else { "vouches for it" };
        say::line(format!("{} ({role})", style(file.display()).bold()))?;
        let fact = |name: &str, fact: &str| {
            say::line(format!("  {} {}", style(format!("{name:<9}")).dim(), printable(fact)))
        };
        let names = if facts.names.is_empty() { "none" } else { &facts.names.join(", ") };
        fact("names", names)?;
        fact("subject", &facts.subject)?;
        if facts.issuer != facts.subject {
            fact("issuer", &facts.issuer)?;
        }
        let left = match facts.not_after.duration_since(self.now) {
            Ok(left) => format!("{} left", span(left)),
            Err(over) => format!("over since {}", span(over.duration())),
        };
        fact("valid", &format!("{} to {} ({left})", moment(facts.not_before), moment(facts.not_after)))?;
        fact("key", &facts.key.to_string())?;
        fact("sha-256", &facts.fingerprint.to_string())?;
        if facts.position == 0 {
            let browsers = if facts.is_accepted_by_hash() {
                "accept it by its hash"
            } else {
                "need an authority: by hash they take ECDSA P-256 for at most 14 days"
            };
            fact("browsers", browsers)?;
        }
        for problem in facts.problems(self.now) {
            say::line(format!("  {} {problem}", style("problem  ").red().bold()))?;
        }
        Ok(())
    }

    /// That files were written.
    pub(super) fn made(self, pair: &Path, cert: &Path) -> io::Result<()> {
        if self.json {
            let (pair, cert) = (pair.display().to_string(), cert.display().to_string());
            return say::line(json!({ "type": "made", "pair": pair, "certificate": cert }));
        }
        say::line(format!("wrote {} (with the key: keep it secret) and {}", pair.display(), cert.display()))
    }

    /// That a key belongs to the certificate.
    pub(super) fn key_fits(self, key: &Path) -> io::Result<()> {
        if self.json {
            return say::line(json!({ "type": "key", "file": key.display().to_string(), "fits": true }));
        }
        say::line(format!("{} belongs to the certificate", key.display()))
    }
}
