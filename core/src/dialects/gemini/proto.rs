//! proto3's JSON, which Google's servers read: a member may be written in camel case or in snake case, and null says
//! nothing.

use std::borrow::Cow;

use serde_json::Value;

/// A member's name in camel case.
pub(super) fn camel(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    Cow::Owned(out)
}

/// The members of an object that say something, by their names in camel case; none of another value.
pub(super) fn members(object: &Value) -> impl Iterator<Item = (Cow<'_, str>, &Value)> {
    let all = object.as_object().into_iter().flatten();
    all.filter(|(_, value)| !value.is_null()).map(|(name, value)| (camel(name), value))
}

/// The member of this name, given in camel case.
pub(super) fn get<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    members(object).find(|(own, _)| own == name).map(|(_, value)| value)
}

/// The text of the member of this name.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    get(object, name)?.as_str()
}

/// The elements of a list; a single value is a list of one, as Google's servers read it.
pub(super) fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_are_read() {
        for (name, want) in [
            ("topP", "topP"),
            ("top_p", "topP"),
            ("system_instruction", "systemInstruction"),
            ("a__b_", "aB"),
            ("", ""),
        ] {
            assert_eq!(camel(name), want);
        }
        let object = json!({"inline_data": {"mimeType": "a", "mime_type": null}, "text": null});
        assert_eq!(text(get(&object, "inlineData").unwrap(), "mimeType"), Some("a"));
        assert_eq!(get(&object, "text"), None);
        assert_eq!(members(&json!([1])).count(), 0);
    }
}
