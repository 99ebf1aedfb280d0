//! Reads the header's structs and enumerations as text, so that no field can be forgotten, and writes a C program
//! that prints them. It knows the header's own style and no more.

/// What a header declares.
pub(crate) struct Header {
    /// Structs: name and fields.
    pub(crate) structs: Vec<(String, Vec<String>)>,
    /// Each member as it is declared, types and arguments included: `tg_kv: tg_str name`.
    pub(crate) members: Vec<String>,
    /// Enumerators and integer macros.
    pub(crate) values: Vec<String>,
}

pub(crate) fn read(text: &str) -> Header {
    let text = without_comments(text);
    let (mut structs, mut members) = (Vec::new(), Vec::new());
    for part in text.split("typedef struct ").skip(1) {
        let (name, rest) = part.split_once('{').unwrap();
        let (body, _) = rest.split_once('}').unwrap();
        let words = |member: &str| member.split_whitespace().collect::<Vec<_>>().join(" ");
        let declared = body.split(';').map(words).filter(|member| !member.is_empty());
        members.extend(declared.map(|member| format!("{}: {member}", name.trim())));
        structs.push((name.trim().to_owned(), body.split(';').flat_map(fields).collect()));
    }
    let mut values: Vec<String> = ["TG_ABI_MAJOR", "TG_ABI_MINOR"].map(str::to_owned).into();
    for part in text.split("enum {").skip(1) {
        let (body, _) = part.split_once('}').unwrap();
        values.extend(body.split(',').filter_map(|v| Some(v.split_once('=')?.0.trim().to_owned())));
    }
    assert!(structs.len() > 20 && values.len() > 70, "the header's style changed: this reader must follow");
    Header { structs, members, values }
}

/// The names in one declaration: `uint32_t a, b`, `const tg_kv *a`, or `tg_status (*a)(...)`.
fn fields(declaration: &str) -> Vec<String> {
    let declaration = declaration.trim();
    if let Some((_, function)) = declaration.split_once("(*") {
        return vec![function.split_once(')').unwrap().0.to_owned()];
    }
    let name = |part: &str| part.trim().rsplit([' ', '*']).next().unwrap_or_default().to_owned();
    declaration.split(',').map(name).filter(|name| !name.is_empty()).collect()
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once("*/").map_or("", |(_, code)| code))
}

pub(crate) fn printer(header: &Header) -> String {
    let mut lines = String::new();
    for (name, fields) in &header.structs {
        lines += &format!("  printf(\"{name} %zu\\n\", sizeof({name}));\n");
        for field in fields {
            lines += &format!("  printf(\"{name}.{field} %zu\\n\", offsetof({name}, {field}));\n");
        }
    }
    for value in &header.values {
        lines += &format!("  printf(\"{value} %lld\\n\", (long long){value});\n");
    }
    format!("#include \"tidegate.h\"\n#include <stdio.h>\nint main(void) {{\n{lines}  return 0;\n}}\n")
}
