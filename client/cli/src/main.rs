//! `dunlin`, the command line of Dunlin: subscribe, publish, ping, chat, benchmark, and look after certificates and tokens.

mod bench;
mod certs;
mod chat;
mod connect;
mod exit;
mod input;
mod interrupt;
mod payload;
mod ping;
mod presence;
mod publish;
mod say;
mod states;
mod sub;
mod text;
mod token;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tracing_subscriber::EnvFilter;

use crate::exit::{Exit, Failure};

/// Talks to a Dunlin server: subscribes, publishes, measures, chats.
#[derive(Parser)]
#[command(
    name = "dunlin",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = exit::help(),
)]
struct Cli {
    #[command(flatten)]
    server: connect::Server,
    /// Logs what the client does to standard error; twice for every packet
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Sub(sub::Args),
    Pub(publish::Args),
    Ping(ping::Args),
    Chat(chat::Args),
    Presence(presence::Args),
    Bench(bench::Args),
    Certs(certs::Args),
    Token(token::Args),
    /// Prints a completion script for a shell
    #[command(
        after_help = "Example:\n  dunlin completions bash > ~/.local/share/bash-completion/completions/dunlin"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    set_colors(cli.color);
    set_logging(cli.verbose);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system gives a process its first event queue");
    let ended = runtime.block_on(run(cli));
    // Without waiting for the thread that may still read standard input.
    runtime.shutdown_background();
    ended.unwrap_or_else(Failure::report).into()
}

async fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Sub(args) => sub::run(&cli.server, args).await,
        Command::Pub(args) => publish::run(&cli.server, args).await,
        Command::Ping(args) => ping::run(&cli.server, &args).await,
        Command::Chat(args) => chat::run(&cli.server, args).await,
        Command::Presence(args) => presence::run(&cli.server, &args).await,
        Command::Bench(args) => bench::run(&cli.server, args).await,
        Command::Certs(args) => certs::run(args),
        Command::Token(args) => token::run(args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "dunlin", &mut script);
            say::bytes(&script)?;
            Ok(Exit::Done)
        }
    }
}

fn set_colors(choice: ColorChoice) {
    let always = match choice {
        // console looks at the terminals and at NO_COLOR and CLICOLOR by itself.
        ColorChoice::Auto => return,
        ColorChoice::Always => true,
        ColorChoice::Never => false,
    };
    console::set_colors_enabled(always);
    console::set_colors_enabled_stderr(always);
}

fn set_logging(verbose: u8) {
    let default = match verbose {
        0 => "off",
        1 => "dunlin_client=debug,warn",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("DUNLIN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let format =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(console::colors_enabled_stderr());
    format.with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_exit_code() {
        let help = Cli::command().render_help().to_string();
        for (exit, _) in exit::TABLE {
            assert!(help.contains(&format!("{:>5}  ", *exit as u8)), "{exit:?}");
        }
    }
}
