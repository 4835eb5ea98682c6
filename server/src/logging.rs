//! Log lines: for people on a terminal, JSON elsewhere.

use dunlin_server::{Config, config::LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(&config.log)
        .map_err(|error| anyhow::anyhow!("log.level: {:?}: {error}", config.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let human = match config.log_format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    if human {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
    } else {
        builder.json().init();
    }
    Ok(())
}
