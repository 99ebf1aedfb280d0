//! The client's tools as functions, which all that a chat completion has, and the names by which their calls come back.
//!
//! A custom tool takes a text: as a function it has one member, `input`. A namespace is a list of functions: they get its
//! name before their own. A tool search that the client itself carries out is a function too. Tools that OpenAI's servers
//! carry out have no counterpart.

use serde_json::{Value, json};

use super::crossing::{Crossing, refusal};

/// The longest name of a function that every provider takes.
const LONGEST: usize = 64;
/// What stands between a namespace and a name.
const BETWEEN: &str = "__";
/// The name of the search for tools, where the client has one.
const SEARCH: &str = "tool_search";

/// What a tool of the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Takes JSON.
    Function,
    /// Takes a text.
    Custom,
    /// Finds more tools.
    Search,
}

/// One tool.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    /// Its name as a function.
    pub(super) function: String,
    definition: Value,
}

/// The tools of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Tools(Vec<Tool>);

impl Tools {
    /// The request's tools, and those that were found or added on its way.
    pub(super) fn of(request: &Value, crossing: &mut Crossing) -> Result<Self, String> {
        let mut tools = Self::default();
        let late = request["input"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let late = late
            .filter(|item| matches!(item["type"].as_str(), Some("tool_search_output" | "additional_tools")));
        for list in std::iter::once(&request["tools"]).chain(late.map(|item| &item["tools"])) {
            match list {
                Value::Null => {}
                Value::Array(list) => list.iter().try_for_each(|tool| tools.add(tool, None, crossing))?,
                _ => return Err("\"tools\" must be an array".to_owned()),
            }
        }
        Ok(tools)
    }

    fn add(&mut self, tool: &Value, namespace: Option<&str>, crossing: &mut Crossing) -> Result<(), String> {
        let named = || {
            tool["name"]
                .as_str()
                .ok_or_else(|| format!("a tool of \"tools\" has no \"name\": {}", tool["type"]))
        };
        match tool["type"].as_str() {
            Some("function") => {
                let (name, function) = (named()?, self.function(named()?, namespace));
                let mut definition = json!({"name": function});
                for member in ["description", "parameters"] {
                    if !tool[member].is_null() {
                        definition[member] = tool[member].clone();
                    }
                }
                if tool["strict"] == true {
                    definition["strict"] = Value::Bool(true);
                }
                self.push(Kind::Function, name, namespace, function, definition);
            }
            Some("custom") => {
                let (name, function) = (named()?, self.function(named()?, namespace));
                let definition = custom(&function, tool);
                self.push(Kind::Custom, name, namespace, function, definition);
            }
            Some("namespace") if namespace.is_none() => {
                let (name, list) = (named()?, tool["tools"].as_array());
                let list =
                    list.ok_or_else(|| format!("the namespace \"{name}\" of \"tools\" has no \"tools\""))?;
                list.iter().try_for_each(|tool| self.add(tool, Some(name), crossing))?;
            }
            Some(SEARCH) if tool["execution"] == "client" => {
                let parameters =
                    Some(&tool["parameters"]).filter(|parameters| parameters.is_object()).cloned();
                let parameters = parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
                let description = tool["description"].as_str().unwrap_or("Finds more tools.");
                let definition =
                    json!({"name": SEARCH, "description": description, "parameters": parameters});
                self.push(Kind::Search, SEARCH, None, SEARCH.to_owned(), definition);
            }
            // The Codex CLI offers it unasked; nobody has asked for what is new.
            Some("web_search") if tool["external_web_access"] == false => {
                crossing.leave_out("tools.web_search");
            }
            Some(other) => crossing.cannot(
                &format!("the tool \"{other}\""),
                "it is carried out by the provider's own servers, or has no form as a function",
            )?,
            None => return Err("a tool of \"tools\" has no \"type\"".to_owned()),
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, name: &str, namespace: Option<&str>, function: String, definition: Value) {
        let (name, namespace) = (name.to_owned(), namespace.map(str::to_owned));
        // One that was found again is the same.
        if !self.0.iter().any(|known| known.name == name && known.namespace == namespace) {
            self.0.push(Tool { kind, name, namespace, function, definition });
        }
    }

    /// A tool's name as a function. Where that is too long, or another one's, it ends in a number.
    fn function(&self, name: &str, namespace: Option<&str>) -> String {
        let Some(namespace) = namespace else { return name.to_owned() };
        let whole = format!("{namespace}{BETWEEN}{name}");
        if whole.len() <= LONGEST && !self.0.iter().any(|known| known.function == whole) {
            return whole;
        }
        let end = format!("{BETWEEN}{}", self.0.len());
        let short: String = whole.chars().filter(char::is_ascii).take(LONGEST - end.len()).collect();
        short + &end
    }

    /// As a chat completion lists them.
    pub(super) fn listed(&self) -> Vec<Value> {
        self.0.iter().map(|tool| json!({"type": "function", "function": tool.definition})).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tool that is called by this function's name.
    pub(super) fn called(&self, function: &str) -> Option<&Tool> {
        self.0.iter().find(|tool| tool.function == function)
    }

    /// The function's name of a call in the history. A tool that is listed no more has the name that it would have.
    pub(super) fn function_of(&self, name: &str, namespace: Option<&str>) -> String {
        let same = |tool: &&Tool| tool.name == name && tool.namespace.as_deref() == namespace;
        self.0.iter().find(same).map_or_else(|| self.function(name, namespace), |tool| tool.function.clone())
    }

    /// `tool_choice`, in the words of a chat completion; where only some tools are allowed, the others go.
    pub(super) fn choose(&mut self, choice: &Value) -> Result<Option<Value>, String> {
        let of = |choice: &Value| {
            let name = choice["name"].as_str()?;
            let kind = choice["type"].as_str().unwrap_or("function");
            let namespace = choice["namespace"].as_str();
            let known = |tool: &&Tool| {
                tool.name == name && (namespace.is_none() || tool.namespace.as_deref() == namespace)
            };
            matches!(kind, "function" | "custom")
                .then(|| self.0.iter().find(known))?
                .map(|tool| tool.function.clone())
        };
        match choice {
            Value::Null => Ok(None),
            Value::String(word) if matches!(word.as_str(), "auto" | "none" | "required") => {
                Ok(Some(choice.clone()))
            }
            Value::Object(_) if choice["type"] == "allowed_tools" => {
                let allowed = choice["tools"].as_array().map_or(&[][..], Vec::as_slice);
                let allowed: Vec<String> = allowed.iter().filter_map(of).collect();
                if allowed.is_empty() {
                    return Err(
                        "\"tool_choice\" allows none of the tools that this model can have".to_owned()
                    );
                }
                self.0.retain(|tool| allowed.contains(&tool.function));
                Ok(Some(choice["mode"].clone()).filter(|mode| !mode.is_null()))
            }
            Value::Object(_) => match of(choice) {
                Some(function) => Ok(Some(json!({"type": "function", "function": {"name": function}}))),
                None => {
                    Err(refusal(&format!("\"tool_choice\" {choice}"), "it names no tool that the model has"))
                }
            },
            _ => Err("\"tool_choice\" must be \"auto\", \"none\", \"required\" or an object".to_owned()),
        }
    }
}

/// A tool that takes a text, as a function of one text.
fn custom(function: &str, tool: &Value) -> Value {
    let mut description = tool["description"].as_str().unwrap_or_default().to_owned();
    let mut input = "The whole input of the tool, as plain text.".to_owned();
    if let (Some(grammar), true) =
        (tool["format"]["definition"].as_str(), tool["format"]["type"] == "grammar")
    {
        let syntax = tool["format"]["syntax"].as_str().unwrap_or("lark");
        description = format!("{description}\n\nThe input must be of this {syntax} grammar:\n{grammar}");
        input = "The whole input of the tool, as plain text of the grammar.".to_owned();
    }
    json!({
        "name": function,
        "description": description.trim_start(),
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string", "description": input}},
            "required": ["input"],
            "additionalProperties": false,
        },
    })
}

/// The text that a call of a custom tool has as its arguments.
pub(super) fn input_of(arguments: &str) -> String {
    let read: Option<Value> = serde_json::from_str(arguments).ok();
    // What a model wrote against the rules is the client's to judge.
    read.and_then(|read| read["input"].as_str().map(str::to_owned)).unwrap_or_else(|| arguments.to_owned())
}
