//! `list` and `inspect`.

use crate::{plugin, read_json, shipped, write};

#[test]
fn a_plugin_is_described_and_a_file_that_is_none_is_refused_with_the_reason() {
    let gemini = shipped("gemini");
    let (code, text, _) = plugin(&["inspect", gemini.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    for line in ["name      gemini", "kind      provider", "provider  vertex_ai/", "tidegate_plugin_entry_v1"]
    {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let (_, json, _) = plugin(&["inspect", "--json", gemini.to_str().unwrap()]);
    let json = read_json(&json);
    assert_eq!((&json["name"], &json["usable"]), (&"gemini".into(), &true.into()));
    assert!(json["providers"][0]["secrets"]["api_key"]["required"].as_bool().unwrap(), "{json}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libtext.so");
    write(&file, "not a library");
    let (code, text, _) = plugin(&["inspect", file.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(text.contains("Tidegate does not load it: it is not a shared library"), "{text}");
    let (code, _, said) = plugin(&["inspect", "/nowhere/at/all.so"]);
    assert!(code == 1 && said.contains("it cannot be found"), "{said}");
}

#[test]
fn the_list_names_what_is_loaded_and_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let openai = shipped("openai");
    std::fs::copy(&openai, folder.path().join(openai.file_name().unwrap())).unwrap();
    write(&folder.path().join("libtext.so"), "not a library");
    let config = folder.path().join("config.yaml");
    write(&config, &format!("model_list: []\ntidegate: {{plugins: {{dirs: [{:?}]}}}}\n", folder.path()));

    let (code, text, said) = plugin(&["list", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let row = text.lines().find(|line| line.starts_with("openai ")).unwrap_or_else(|| panic!("{text}"));
    assert!(row.contains("provider") && row.contains(folder.path().to_str().unwrap()), "{row}");
    assert!(text.contains("libtext.so is refused: it is not a shared library"), "{text}");

    let (_, json, _) = plugin(&["list", "--json", "--config", config.to_str().unwrap()]);
    let json = read_json(&json);
    let listed =
        json["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "openai").unwrap();
    assert!(listed["prefixes"].as_array().unwrap().contains(&"groq/".into()), "{listed}");

    write(&config, "tidegate: {plugins: {dirz: []}}\n");
    let (code, _, said) = plugin(&["list", "--config", config.to_str().unwrap()]);
    assert!(code == 78 && said.contains("dirz"), "{code}: {said}");
}
