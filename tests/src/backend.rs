//! A backend that speaks to a server over HTTP, in JSON.

use crate::{
    http::{Answer, Port, Request, Site},
    server::Running,
};
use serde_json::Value;

/// A program that calls the API.
pub struct Backend {
    site: Site,
    port: Port,
    key: Option<String>,
}

impl Backend {
    /// One on the server's machine, over plain HTTP, without a key.
    #[must_use]
    pub fn of(server: &Running) -> Self {
        Self { site: Site::of(server), port: Port::Plain, key: None }
    }

    /// One with a key.
    #[must_use]
    pub fn with_key(server: &Running, key: &str) -> Self {
        Self { key: Some(format!("Bearer {key}")), ..Self::of(server) }
    }

    /// The same by another port.
    #[must_use]
    pub fn by(self, port: Port) -> Self {
        Self { port, ..self }
    }

    /// Reads.
    ///
    /// # Panics
    /// If the server does not answer in JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        value(&self.call("GET", path, &[], &[]).await)
    }

    /// Sends a value.
    ///
    /// # Panics
    /// If the server does not answer in JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let json = [("Content-Type", "application/json")];
        value(&self.call("POST", path, &json, body.to_string().as_bytes()).await)
    }

    /// Ends something.
    ///
    /// # Panics
    /// If the server does not answer in JSON.
    pub async fn delete(&self, path: &str) -> (u16, Value) {
        value(&self.call("DELETE", path, &[], &[]).await)
    }

    /// Sends any request, with the key.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut headers = headers.to_vec();
        headers.extend(self.key.as_deref().map(|key| ("Authorization", key)));
        self.site.send(self.port, Request { method, path, headers: &headers, body }).await
    }
}

/// Status and value of an answer in JSON.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn value(answer: &Answer) -> (u16, Value) {
    let value = serde_json::from_slice(&answer.bytes);
    (answer.status, value.unwrap_or_else(|error| panic!("{error}: {answer:?}")))
}
