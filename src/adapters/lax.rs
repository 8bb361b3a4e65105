//! JSON lines of many kinds read into one struct: fields whose shape depends on the kind read as nothing, not as errors.
//! (`lazy` is for lines of a known kind, whose fields have one shape each.)

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::salvage;
use crate::domain::text::Text;

pub(super) use super::json::Word as Str;
pub(super) use super::lazy::loose;

/// A value left as it stands; `null` and absent are `None`.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// The beginning of a string, decoded: at most [`HEAD`] bytes of the line are looked at, since no more could be kept.
/// Any other value reads as its JSON, `null` and absent as empty.
pub(super) fn head<'a>(raw: Raw<'a>) -> Cow<'a, str> {
    let Some(raw) = raw.map(RawValue::get) else { return Cow::Borrowed("") };
    if raw.starts_with('"') && raw.len() > HEAD {
        // A cut through an escape doesn't parse; one a few bytes earlier does.
        for cut in (HEAD - 16..HEAD).rev().filter(|cut| raw.is_char_boundary(*cut)) {
            if let Ok(text) = serde_json::from_str::<String>(&format!("{}\"", &raw[..cut])) {
                return Cow::Owned(text);
            }
        }
    }
    match serde_json::from_str::<Str>(raw) {
        Ok(text) if raw.starts_with('"') => text.0,
        _ if raw == "null" => Cow::Borrowed(""),
        _ => Cow::Borrowed(raw),
    }
}

/// Even if every character of it is escaped (six bytes each), this decodes to more than a [`Text`] looks at.
const HEAD: usize = 8_192;

/// The whole of a string, decoded; any other value as its JSON.
pub(super) fn whole<'a>(raw: Raw<'a>) -> Cow<'a, str> {
    let Some(raw) = raw.map(RawValue::get) else { return Cow::Borrowed("") };
    match serde_json::from_str::<Str>(raw) {
        Ok(text) if raw.starts_with('"') => text.0,
        _ => salvage::string(raw).map_or(Cow::Borrowed(raw), Cow::Owned),
    }
}

/// The sentence in a provider's error: agents pass the provider's JSON on, some of them inside `[API Error: …]`.
pub(super) fn plain_error(text: &str) -> Text {
    let inner = text.strip_prefix("[API Error: ").and_then(|t| t.strip_suffix(']')).unwrap_or(text).trim();
    if inner.starts_with('{')
        && let Ok(value) = serde_json::from_str::<Value>(inner)
    {
        let said = ["/error/message", "/message", "/detail", "/error"].iter().find_map(|p| value.pointer(p)?.as_str());
        if let Some(said) = said {
            return match value.pointer("/error/code").and_then(Value::as_i64) {
                Some(code) => Text::new(&format!("{code}: {said}")),
                None => Text::new(said),
            };
        }
    }
    Text::new(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn strings_borrow_and_anything_else_is_nothing() {
        let read = |json| serde_json::from_str::<Str>(json).ok().map(|s| s.0);
        assert!(matches!(read(r#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(read(r#""a\nb""#).as_deref(), Some("a\nb"));
        for other in ["null", "12", "-1.5", "true", "{\"a\":[1,{}]}", "[{},[]]"] {
            assert_eq!(read(other).as_deref(), Some(""), "{other}");
        }
        assert_eq!(read("{\"a\":"), None);
    }

    #[test]
    fn errors_are_told_in_the_providers_own_sentence() {
        for (given, told) in [
            (r#"{"error": {"message": "no such model", "code": "x"}}"#, "no such model"),
            (r#"[API Error: {"error":{"code":400,"message":"bad"}}]"#, "400: bad"),
            (r#"{"detail":"not allowed"}"#, "not allowed"),
            ("unexpected status 401", "unexpected status 401"),
            ("{broken", "{broken"),
        ] {
            assert_eq!(plain_error(given).as_str(), told);
        }
    }

    proptest! {
        #[test]
        fn a_head_is_the_beginning_of_the_whole(text in "(\\PC|[\n\"\\\\\u{1f600}\u{1}]){0,40}", times in 1usize..300) {
            let text = text.repeat(times);
            let json = raw(&serde_json::to_string(&text).unwrap());
            let head = head(Some(&json));
            prop_assert!(text.starts_with(&*head));
            prop_assert_eq!(Text::new(&head), Text::new(&text));
            prop_assert_eq!(whole(Some(&json)), text);
        }
    }
}
