//! `dunlin token`: makes and explains the tokens that servers ask for.

mod key;
mod report;

use std::{
    io::{self, Read as _},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dunlin_auth::{Algorithm, Capabilities, Policy, Right, inspect, sign, verify};
use serde_json::{Map, Value, json};

use self::report::{Report, Verdict};
use crate::{
    exit::{Exit, Failure},
    say,
    text::parse_span,
};

/// Makes and explains the tokens that servers ask for
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin token new --user ada --allow 'room:*=join,push,history' --key secret.txt
  dunlin token new --user feed --allow 'news=push' --for 10m --key issuer.pem --kid 2026-11
  dunlin token show < token.txt
  dunlin token show --key issuer.pub.pem --audience dunlin < token.txt

A key is a file: a shared secret as text, a key as PEM, or (show) a JSON Web Key Set. Without --key it is the secret in
DUNLIN_AUTH_SECRET, which the server reads too.")]
pub(crate) struct Args {
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// File with the key; never shown
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// Who issues it (iss)
    #[arg(long, global = true)]
    issuer: Option<Box<str>>,
    /// Whom it is for (aud)
    #[arg(long, global = true)]
    audience: Option<Box<str>>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints a new token
    New(New),
    /// Says what a token says, and with a key whether a server would take it; fails if not
    Show {
        /// The token; standard input without it, for command lines are seen by others
        token: Option<String>,
        /// How far the clocks may differ
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
        leeway: Duration,
    },
}

#[derive(Debug, clap::Args)]
struct New {
    /// The user (sub)
    #[arg(long)]
    user: Option<String>,
    /// What it allows, such as room:*=join,push,history,presence; may be repeated, the closest pattern counts
    #[arg(long, value_name = "PATTERN=RIGHTS", value_parser = grant)]
    allow: Vec<Value>,
    /// How long it is good
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = parse_span)]
    lifetime: Duration,
    /// The token's own name (jti), to revoke it by; random without this
    #[arg(long)]
    id: Option<String>,
    /// The name of the key (kid)
    #[arg(long)]
    kid: Option<String>,
    /// How it is signed; what the key is good for without this
    #[arg(long, value_name = "ALG")]
    algorithm: Option<Algorithm>,
    /// Another claim, as JSON or else as text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let Args { json, key, issuer, audience, command } = args;
    match command {
        Command::New(new) => {
            let key = key::signing(key.as_deref(), new.algorithm)?;
            let claims = claims(&new, issuer.as_deref(), audience.as_deref());
            let token = sign(&claims, &key, new.kid.as_deref()).map_err(failed)?;
            // What is issued here is what a server would take.
            let is_legal = inspect(&token).and_then(|said| Capabilities::from_claim(&said.claims["dunlin"]));
            is_legal.map_err(|rejected| {
                Failure::new(Exit::Usage, format!("no server would take it: {rejected}"))
            })?;
            say::line(if json {
                json!({"type": "token", "token": token, "claims": claims}).to_string()
            } else {
                token
            })?;
            Ok(Exit::Done)
        }
        Command::Show { token, leeway } => {
            let token = token.map_or_else(stdin, Ok)?;
            let token = token.trim();
            let said = inspect(token).map_err(|rejected| Failure::new(Exit::Failed, rejected.to_string()))?;
            let policy =
                Policy { issuer, audience: audience.into_iter().collect(), leeway, longest: LONGEST };
            let keys = key::checking(key.as_deref())?;
            let verdict = match keys.map(|keys| verify(token, &keys, &policy, now())) {
                None => Verdict::Unchecked,
                Some(Ok(_)) => Verdict::Accepted,
                Some(Err(rejected)) => Verdict::Refused(rejected),
            };
            Report { json, now: SystemTime::now() }.show(&said, &verdict)?;
            Ok(if matches!(verdict, Verdict::Refused(_)) { Exit::Failed } else { Exit::Done })
        }
    }
}

/// As servers have it unless configured.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

fn claims(new: &New, issuer: Option<&str>, audience: Option<&str>) -> Map<String, Value> {
    let now = now();
    let id = new.id.clone().unwrap_or_else(key::random_id);
    let mut claims = Map::new();
    let texts = [("iss", issuer), ("aud", audience), ("sub", new.user.as_deref()), ("jti", Some(&*id))];
    for (name, text) in texts {
        if let Some(text) = text {
            claims.insert(name.into(), text.into());
        }
    }
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), (now + new.lifetime.as_secs()).into());
    claims.insert("dunlin".into(), new.allow.clone().into());
    claims.extend(new.claims.iter().cloned());
    claims
}

fn grant(text: &str) -> Result<Value, String> {
    let (topics, rights) = text.rsplit_once('=').ok_or("write PATTERN=RIGHTS")?;
    let pattern: Result<dunlin_client::Pattern, _> = topics.parse();
    pattern.map_err(|error| error.to_string())?;
    let rights: Vec<_> = rights.split(',').map(str::trim).filter(|right| !right.is_empty()).collect();
    match rights.iter().find(|right| !Right::ALL.iter().any(|known| known.name() == **right)) {
        Some(strange) => Err(format!("{strange:?} is no right: there are join, push, presence and history")),
        None => Ok(json!({"topics": topics, "may": rights})),
    }
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.into(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let most = dunlin_client::MAX_TOKEN_LEN as u64 + 2;
    io::stdin().take(most).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_pattern_and_its_rights() {
        assert_eq!(grant("room:*=join, push").unwrap(), json!({"topics": "room:*", "may": ["join", "push"]}));
        // Names may hold the sign.
        assert_eq!(grant("a=b=").unwrap(), json!({"topics": "a=b", "may": []}));
        assert!(grant("room:*").is_err() && grant("room*=join").is_err());
        assert!(grant("room:*=jump").unwrap_err().contains("jump"));
    }

    #[test]
    fn a_claim_is_json_or_else_text() {
        assert_eq!(claim("age=7").unwrap(), ("age".into(), json!(7)));
        assert_eq!(claim("name=Ada").unwrap(), ("name".into(), json!("Ada")));
        assert!(claim("name").is_err());
    }
}
