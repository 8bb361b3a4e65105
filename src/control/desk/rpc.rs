//! PURE. Lines of JSON-RPC into calls, and answers into lines. Any bytes are read; none can make it fail.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::super::protocol::{Call, Hello, Nothing, RpcError, code};
use super::super::wire;
use crate::domain::text::Text;

/// Longest id of a request that is a string, in bytes.
const MAX_ID: usize = 128;

/// A request's id, given back with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    Number(i64),
    Text(String),
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub enum Said {
    Call(Id, Call),
    /// To be answered with this error; without an id if none could be read.
    Bad(Option<Id>, RpcError),
    /// A notification. None is taken, and none is answered.
    Nothing,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default, borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
}

/// `null` is there, too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a line without its end.
pub fn read(line: &[u8]) -> Said {
    let bad = |code, message: &str| Said::Bad(None, RpcError::new(code, message));
    let Ok(text) = std::str::from_utf8(line) else { return bad(code::PARSE, "this line is not UTF-8") };
    if text.trim_start().starts_with('[') {
        return bad(code::INVALID_REQUEST, "batches are not taken: send one object a line");
    }
    let request: Request<'_> = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(e) if matches!(e.classify(), Category::Data) => {
            return bad(code::INVALID_REQUEST, &format!("this is not a request: {e}"));
        }
        Err(e) => return bad(code::PARSE, &format!("this line is not JSON: {e}")),
    };
    let Some(raw) = request.id else { return Said::Nothing };
    let Some(id) = read_id(raw.get()) else {
        return bad(code::INVALID_REQUEST, "a request's id is a whole number or a short text");
    };
    if request.jsonrpc.as_deref() != Some("2.0") {
        return Said::Bad(Some(id), RpcError::new(code::INVALID_REQUEST, "`jsonrpc` must be \"2.0\""));
    }
    match read_call(&request.method, request.params.map(RawValue::get)) {
        Ok(call) => Said::Call(id, call),
        Err(error) => Said::Bad(Some(id), error),
    }
}

fn read_id(raw: &str) -> Option<Id> {
    let id: Id = serde_json::from_str(raw).ok()?;
    match &id {
        Id::Text(text) if text.len() > MAX_ID => None,
        _ => Some(id),
    }
}

fn read_call(method: &str, params: Option<&str>) -> Result<Call, RpcError> {
    Ok(match method {
        "hello" => Call::Hello(read_hello(params)?),
        "status" => Call::Status(none_needed(params)?),
        "subscribe" => Call::Subscribe(none_needed(params)?),
        "stop" => Call::Stop(read_params(params)?),
        "ack" => Call::Ack(read_params(params)?),
        "event" => Call::Event(read_params(params)?),
        "grant" => Call::Grant(read_params(params)?),
        "take" => Call::Take(read_params(params)?),
        "gate_list" => Call::GateList(none_needed(params)?),
        "gate_answer" => Call::GateAnswer(read_params(params)?),
        "gate_ask" => Call::GateAsk(read_params(params)?),
        "hook" => Call::Hook(read_params(params)?),
        "release" => Call::Release(read_params(Some(params.unwrap_or("{}")))?),
        _ => return Err(RpcError::new(code::NO_METHOD, &format!("there is no method `{method}`"))),
    })
}

/// The version comes first: another one may have other fields.
fn read_hello(params: Option<&str>) -> Result<Hello, RpcError> {
    #[derive(Deserialize)]
    struct Version {
        proto: Text,
    }
    if let Ok(version) = read_params::<Version>(params) {
        super::check_version(version.proto.as_str())?;
    }
    read_params(params)
}

fn read_params<T: DeserializeOwned>(params: Option<&str>) -> Result<T, RpcError> {
    let Some(params) = params else {
        return Err(RpcError::new(code::INVALID_PARAMS, "this method needs `params`"));
    };
    serde_json::from_str(params).map_err(|e| RpcError::new(code::INVALID_PARAMS, &format!("`params` are wrong: {e}")))
}

/// Parameters of a method that has none: left out, an empty array, or an object, whatever is in it.
fn none_needed(params: Option<&str>) -> Result<Nothing, RpcError> {
    read_params(Some(params.filter(|params| *params != "[]").unwrap_or("{}")))
}

#[derive(Serialize)]
struct Answer<'a, T> {
    jsonrpc: &'static str,
    /// `null` if the request's could not be read.
    id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RpcError>,
}

/// The answer to a request, as a line.
pub fn result<T: Serialize>(id: &Id, result: &T) -> Vec<u8> {
    wire::line(&Answer { jsonrpc: "2.0", id: Some(id), result: Some(result), error: None })
}

/// The answer to a request that fails, as a line.
pub fn error(id: Option<&Id>, error: &RpcError) -> Vec<u8> {
    wire::line(&Answer::<()> { jsonrpc: "2.0", id, result: None, error: Some(error) })
}

#[derive(Serialize)]
struct Notification<'a, T: ?Sized> {
    jsonrpc: &'static str,
    method: &'a str,
    params: &'a T,
}

/// A notification, as a line.
pub fn notification<T: Serialize + ?Sized>(method: &str, params: &T) -> Vec<u8> {
    wire::line(&Notification { jsonrpc: "2.0", method, params })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code_of(line: &[u8]) -> Option<i32> {
        match read(line) {
            Said::Bad(_, error) => Some(error.code),
            _ => None,
        }
    }

    fn deep(open: &str, inner: &str, close: &str) -> String {
        format!("{}{inner}{}", open.repeat(100_000), close.repeat(100_000))
    }

    #[test]
    fn every_kind_of_rubbish_has_its_error() {
        let with =
            |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"stop","params":{params}}}"#).into_bytes();
        let deep_array = deep("[", "", "]");
        let deep_object = deep("{\"a\":", "1", "}");
        let table: Vec<(Vec<u8>, i32)> = vec![
            (b"{".to_vec(), code::PARSE),
            (b"\0\0\0".to_vec(), code::PARSE),
            (b"{\"method\":\"x\"}\0".to_vec(), code::PARSE),
            (b"\xff\xfe{}".to_vec(), code::PARSE),
            (b"{\"method\":\"\xc3\x28\",\"id\":1}".to_vec(), code::PARSE),
            (b"\xef\xbb\xbf{}".to_vec(), code::PARSE),
            (b"hello".to_vec(), code::PARSE),
            (b"[]".to_vec(), code::INVALID_REQUEST),
            (b" [{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}]".to_vec(), code::INVALID_REQUEST),
            (deep_array.clone().into_bytes(), code::INVALID_REQUEST),
            (deep_object.clone().into_bytes(), code::INVALID_REQUEST),
            (b"{}".to_vec(), code::INVALID_REQUEST),
            (b"1e400".to_vec(), code::PARSE),
            (b"17".to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"2.0","id":1,"method":7}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#.to_vec(), code::PARSE),
            (br#"{"jsonrpc":"2.0","id":1e400,"method":"status"}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"status"}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"2.0","id":null,"method":"status"}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"2.0","id":{},"method":"status"}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"1.0","id":1,"method":"status"}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"id":1,"method":"status"}"#.to_vec(), code::INVALID_REQUEST),
            (br#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#.to_vec(), code::NO_METHOD),
            (br#"{"jsonrpc":"2.0","id":1,"method":"stop"}"#.to_vec(), code::INVALID_PARAMS),
            (with("null"), code::INVALID_PARAMS),
            (with("{}"), code::INVALID_PARAMS),
            (with(r#"{"interrupt_id":"i","mode":"later"}"#), code::INVALID_PARAMS),
            (with(r#"{"interrupt_id":"i","interrupt_id":"j","mode":"now"}"#), code::INVALID_PARAMS),
            (with(r#"{"interrupt_id":"\ud800","mode":"now"}"#), code::INVALID_PARAMS),
            (with(&deep_array), code::INVALID_PARAMS),
            (with(&deep_object), code::INVALID_PARAMS),
            (
                br#"{"jsonrpc":"2.0","id":1,"method":"grant","params":{"amount_ms":1e400}}"#.to_vec(),
                code::INVALID_PARAMS,
            ),
            (
                br#"{"jsonrpc":"2.0","id":1,"method":"grant","params":{"amount_ms":18446744073709551616}}"#.to_vec(),
                code::INVALID_PARAMS,
            ),
        ];
        for (line, expected) in table {
            let shown = String::from_utf8_lossy(&line[..line.len().min(90)]).into_owned();
            assert_eq!(code_of(&line), Some(expected), "{shown}");
        }
    }

    #[test]
    fn requests_are_read_and_unknown_fields_passed_over() {
        let stop = br#"{"more":[1],"params":{"mode":"now","interrupt_id":"i","x":{}},"method":"stop","id":"a","jsonrpc":"2.0"}"#;
        match read(stop) {
            Said::Call(Id::Text(id), Call::Stop(call)) => {
                assert_eq!((id.as_str(), call.interrupt_id.as_str()), ("a", "i"));
            }
            other => panic!("{other:?}"),
        }
        for params in ["", r#","params":{}"#, r#","params":[]"#, r#","params":null"#, r#","params":{"x":1}"#] {
            for method in ["status", "subscribe", "gate_list"] {
                let line = format!(r#"{{"jsonrpc":"2.0","id":-7,"method":"{method}"{params}}}"#);
                assert!(matches!(read(line.as_bytes()), Said::Call(Id::Number(-7), _)), "{line}");
            }
        }
        let release = br#"{"jsonrpc":"2.0","id":1,"method":"release"}"#;
        assert!(matches!(read(release), Said::Call(_, Call::Release(_))));
        let deep = deep("[", "", "]");
        let event = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"event","params":{deep}}}"#);
        assert!(matches!(read(event.as_bytes()), Said::Call(_, Call::Event(_))), "passed on unread");
    }

    #[test]
    fn notifications_are_let_be() {
        assert_eq!(
            read(br#"{"jsonrpc":"2.0","method":"stop","params":{"interrupt_id":"i","mode":"now"}}"#),
            Said::Nothing
        );
        assert_eq!(read(br#"{"method":"nonsense"}"#), Said::Nothing);
    }

    #[test]
    fn answers_are_lines() {
        assert_eq!(result(&Id::Number(1), &true), b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}\n");
        let told = error(None, &RpcError::new(code::PARSE, "a\nb"));
        assert_eq!(told, b"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"a b\"}}\n");
        assert_eq!(notification("update", &Nothing {}), b"{\"jsonrpc\":\"2.0\",\"method\":\"update\",\"params\":{}}\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(line: Vec<u8>) {
            read(&line);
        }

        #[test]
        fn any_request_is_read(method in "hello|stop|grant|hook|event|ack|status|[a-z]{0,3}", params in "[\\[\\]{}\":,0-9a-z.-]{0,40}") {
            read(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#).as_bytes());
        }
    }
}
