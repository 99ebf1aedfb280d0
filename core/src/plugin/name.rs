//! A new plugin's name, in the forms that its files need.

/// What a Rust package cannot be called.
const RESERVED: [&str; 57] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "serde-json",
];

/// Types that a template uses, or that the SDK exports: a plugin's own type must not hide one.
const TYPES: [&str; 40] = [
    "Action",
    "Attempt",
    "Auth",
    "Choice",
    "Class",
    "Close",
    "Config",
    "Dialect",
    "End",
    "Err",
    "ErrorKind",
    "EventIn",
    "FailureIn",
    "Fault",
    "Flow",
    "Fn",
    "Framing",
    "HeadIn",
    "Headers",
    "History",
    "Host",
    "Iterator",
    "Level",
    "None",
    "Note",
    "Ok",
    "Option",
    "Phase",
    "Policy",
    "Provider",
    "RequestIn",
    "RequestOut",
    "Result",
    "Some",
    "Speech",
    "Stream",
    "StreamOut",
    "String",
    "Target",
    "Value",
];

/// One name in its forms.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// `my-plugin`: the plugin, its package, its prefix.
    kebab: String,
    /// `my_plugin`: its crate and its file.
    snake: String,
    /// `MY_PLUGIN`: its variables.
    upper: String,
    /// `MyPlugin`: its type.
    camel: String,
}

impl Names {
    /// The forms of a name.
    ///
    /// # Errors
    /// A sentence that says what a name is made of.
    pub(super) fn of(name: &str) -> Result<Self, String> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let begins = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !begins
            || name.ends_with('-')
            || name.contains("--")
            || name.len() > 50
            || !name.bytes().all(legal)
        {
            return Err(format!(
                "{name:?} cannot be a plugin's name: it is made of a-z, 0-9 and single hyphens, begins with a letter \
                 and has at most 50 characters"
            ));
        }
        if RESERVED.contains(&name) {
            return Err(format!("{name:?} cannot be a plugin's name: it is a word of Rust's"));
        }
        let snake = name.replace('-', "_");
        let mut camel: String = name.split('-').map(capital).collect();
        if TYPES.contains(&camel.as_str()) {
            camel.push_str("Plugin");
        }
        Ok(Self { kebab: name.to_owned(), upper: snake.to_ascii_uppercase(), snake, camel })
    }

    /// A template's text with this name in the place of `placeholder`, which is one plain word.
    pub(super) fn put_into(&self, text: &str, placeholder: &str) -> String {
        // The longer forms first; each leaves none of the shorter ones behind but in the new name itself, so they are
        // marked and put in at the end.
        let forms = [
            (format!("lib{placeholder}"), format!("lib{}", self.snake)),
            (format!("use {placeholder}::"), format!("use {}::", self.snake)),
            (placeholder.to_ascii_uppercase(), self.upper.clone()),
            (capital(placeholder), self.camel.clone()),
            (placeholder.to_owned(), self.kebab.clone()),
        ];
        let marked = forms
            .iter()
            .enumerate()
            .fold(text.to_owned(), |text, (at, (from, _))| text.replace(from, &format!("\0{at}\0")));
        forms.iter().enumerate().fold(marked, |text, (at, (_, to))| text.replace(&format!("\0{at}\0"), to))
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_forms() {
        let names = Names::of("my-parrot2").unwrap();
        let text = "use parrot::Parrot; name: \"parrot\" $PARROT_KEY libparrot.so parrot/";
        let put = names.put_into(text, "parrot");
        assert_eq!(
            put,
            "use my_parrot2::MyParrot2; name: \"my-parrot2\" $MY_PARROT2_KEY libmy_parrot2.so my-parrot2/"
        );
        assert_eq!(Names::of("stream").unwrap().camel, "StreamPlugin");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "-a", "a-", "a--b", "A", "a_b", "1a", "ä", "../x", "a b", &"a".repeat(51)] {
            assert!(Names::of(name).unwrap_err().contains("is made of"), "{name:?}");
        }
        for name in ["match", "test", "core"] {
            assert!(Names::of(name).unwrap_err().contains("a word of Rust's"), "{name}");
        }
    }
}
