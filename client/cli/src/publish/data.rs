//! What the data of an event is read as.

use serde_json::Value;

use crate::payload;

/// The forms to choose from; without a choice, JSON if it is JSON and otherwise a text.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[group(multiple = false)]
pub(crate) struct Form {
    /// Data is a text, even if it looks like JSON
    #[arg(long)]
    text: bool,
    /// Data is JSON, or an error
    #[arg(long)]
    json: bool,
    /// Data is the base64 of a payload, which is published as it is
    #[arg(long)]
    base64: bool,
}

impl Form {
    /// The payload for the data, or in words why there is none.
    pub(crate) fn payload(self, data: &str) -> Result<Vec<u8>, String> {
        if self.base64 {
            return payload::from_base64(data).map_err(|error| format!("the data is not base64: {error}"));
        }
        if self.text {
            return Ok(payload::from_text(data));
        }
        match serde_json::from_str::<Value>(data) {
            Ok(value) => Ok(payload::from_json(&value)),
            Err(error) if self.json => Err(format!("the data is not JSON: {error}")),
            Err(_) => Ok(payload::from_text(data)),
        }
    }

    /// [`Form::payload`] of a line of bytes.
    pub(crate) fn payload_of_line(self, line: &[u8]) -> Result<Vec<u8>, String> {
        let text = str::from_utf8(line).map_err(|_| "the data is not UTF-8; --base64 publishes any bytes")?;
        self.payload(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTO: Form = Form { text: false, json: false, base64: false };
    const TEXT: Form = Form { text: true, ..AUTO };
    const JSON: Form = Form { json: true, ..AUTO };
    const BASE64: Form = Form { base64: true, ..AUTO };

    #[test]
    fn data_is_json_if_it_can_be() {
        for (form, data, shown) in [
            (AUTO, "hello", r#""hello""#),
            (AUTO, r#"{"b":1,"a":[2.5,null]}"#, r#"{"b":1,"a":[2.5,null]}"#),
            (AUTO, " 42 ", "42"),
            (AUTO, "{", r#""{""#),
            (AUTO, "", r#""""#),
            (TEXT, "42", r#""42""#),
            (JSON, "42", "42"),
            (BASE64, "kwECww==", "[1,2,true]"),
        ] {
            let payload = form.payload(data).unwrap();
            assert_eq!(payload::to_json(&payload).unwrap().to_string(), shown, "{form:?} {data}");
        }
    }

    #[test]
    fn data_in_the_wrong_form_is_an_error() {
        assert!(JSON.payload("hello").unwrap_err().starts_with("the data is not JSON"));
        assert!(JSON.payload("").is_err());
        assert!(BASE64.payload("a b").unwrap_err().starts_with("the data is not base64"));
        assert!(AUTO.payload_of_line(b"\xff").unwrap_err().contains("UTF-8"));
    }
}
