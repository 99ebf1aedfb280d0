//! Makes the manifest: `src/manifest.json` with a provider for each file in `vendors/`.
//!
//! The core reads the same form for users, with places and suggestions; a test there holds both against each other. What
//! is wrong in a file of ours ends the build.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a build that cannot go on ends")]
#![expect(clippy::print_stdout, reason = "Cargo listens there")]

mod yaml;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

fn main() {
    let folder = Path::new("vendors");
    println!("cargo::rerun-if-changed=vendors");
    println!("cargo::rerun-if-changed=src/manifest.json");
    println!("cargo::rerun-if-changed=build");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of vendors")
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let base = std::fs::read_to_string("src/manifest.json").expect("the manifest's own part");
    let mut manifest: Value = serde_json::from_str(&base).expect("the manifest is JSON");
    let usual = json!({
        "dialects": manifest["vendors"]["dialects"], "stream_usage": manifest["vendors"]["stream_usage"],
        "extensions": manifest["vendors"]["extensions"],
        "dialects_by_model": manifest["vendors"]["dialects_by_model"],
        "extensions_by_model": manifest["vendors"]["extensions_by_model"],
    });
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let vendor = yaml::read(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        let provider = provider(vendor, &usual).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        manifest["providers"].as_array_mut().expect("a list of providers").push(provider);
    }
    let made = PathBuf::from(std::env::var_os("OUT_DIR").unwrap()).join("manifest.json");
    std::fs::write(made, serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
}

/// `usual`: what a vendor has where its file does not say.
fn provider(vendor: Value, usual: &Value) -> Result<Value, String> {
    let Value::Object(vendor) = vendor else { return Err("a vendor file is a mapping".to_owned()) };
    let mut made = usual.clone();
    made["vendor"] = json!({"quirks": {}});
    for (key, value) in vendor {
        match key.as_str() {
            "provider" => made["prefix"] = value,
            "base_url" => made["params"]["api_base"] = said(value, "default")?,
            "key" => made["secrets"]["api_key"] = secret(said(value, "env")?),
            "headers" => {
                let headers = value.as_object().ok_or("`headers` is a mapping")?.clone();
                for (name, value) in headers {
                    made["headers"][name.to_ascii_lowercase()] = said(value, "default")?;
                }
            }
            "dialects" => made["dialects"] = value,
            "extensions" => made["extensions"] = value,
            "prefill" => made["prefill"] = value,
            "stream_usage" => made["stream_usage"] = value,
            "quirks" => made["vendor"]["quirks"] = value,
            other => return Err(format!("there is no key `{other}`")),
        }
    }
    Ok(made)
}

/// `none`, a bare text or list, which stand for `bare`, or `{env, default, optional}`, with `env` as a list.
fn said(value: Value, bare: &str) -> Result<Value, String> {
    let mut made = match value {
        Value::Object(object) => object,
        Value::String(word) if word == "none" => [("optional".to_owned(), true.into())].into_iter().collect(),
        other @ (Value::String(_) | Value::Array(_)) => Map::from_iter([(bare.to_owned(), other)]),
        other => return Err(format!("{other} is no text, list or mapping")),
    };
    if let Some(name @ Value::String(_)) = made.get("env") {
        made["env"] = json!([name]);
    }
    Ok(Value::Object(made))
}

/// A key has to be there unless the file says otherwise.
fn secret(mut spec: Value) -> Value {
    let optional = spec.as_object_mut().and_then(|spec| spec.shift_remove("optional")).is_some();
    spec["required"] = (!optional && spec.get("default").is_none()).into();
    spec
}
