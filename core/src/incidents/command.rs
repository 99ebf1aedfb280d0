//! `tidegate incidents`.

use serde_json::{Value, json};

use super::{Source, draw};

/// All incidents, as text or as JSON.
///
/// # Errors
/// A sentence.
pub fn list(source: &Source, as_json: bool) -> Result<String, String> {
    let incidents = source.read()?;
    Ok(if as_json { format!("{:#}\n", json!({"incidents": incidents})) } else { draw::list(&incidents) })
}

/// One incident.
///
/// # Errors
/// A sentence; also where there is none with this id.
pub fn show(source: &Source, id: &str, as_json: bool) -> Result<String, String> {
    let incidents = source.read()?;
    let found = incidents.iter().rev().find(|incident| incident["id"].as_str() == Some(id));
    let found: &Value = found.ok_or_else(|| {
        format!("there is no incident {id} among {}; `tidegate incidents list` names them", incidents.len())
    })?;
    Ok(if as_json { format!("{found:#}\n") } else { draw::show(found) })
}
