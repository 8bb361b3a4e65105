//! PURE. A line of JSON-RPC, read as far as it concerns a stop.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::MAX_ID;

/// A request, a notification or an answer.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// An id: the numbers `1` and the text `"1"` are not the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    /// As it was written.
    Number(String),
    Text(String),
}

impl<'a> Message<'a> {
    pub fn id(&self) -> Option<Id> {
        let raw = self.id?.get();
        if raw.len() > MAX_ID {
            return None;
        }
        match raw.as_bytes().first()? {
            b'"' => serde_json::from_str(raw).ok().map(Id::Text),
            b'-' | b'0'..=b'9' => Some(Id::Number(raw.to_owned())),
            _ => None,
        }
    }

    pub fn method(&self) -> &str {
        self.method.as_deref().unwrap_or_default()
    }

    pub fn params<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.params?.get()).ok()
    }

    pub fn result<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.result?.get()).ok()
    }

    /// It answers a request: has an id and no method.
    pub fn is_answer(&self) -> bool {
        self.method.is_none() && self.id.is_some()
    }

    pub fn failed(&self) -> bool {
        self.error.is_some()
    }
}

impl Id {
    /// The text, if it is one.
    pub fn text(&self) -> &str {
        match self {
            Id::Text(text) => text,
            Id::Number(_) => "",
        }
    }

    pub fn json(&self) -> serde_json::Value {
        match self {
            Id::Text(text) => text.as_str().into(),
            Id::Number(number) => serde_json::from_str(number).unwrap_or_default(),
        }
    }
}

/// A text worth keeping as a name of something.
pub(super) fn name(text: Option<Cow<'_, str>>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text.len() <= MAX_ID).map(Cow::into_owned)
}
